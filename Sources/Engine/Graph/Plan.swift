import KernelInterface

/// The stages that compute a graph, with all their buffers.
struct Plan {
  /// What the first stages read.
  let input: FeatureMap
  /// Whether the first stage fills `input` itself, one picture a thread, from bytes.
  let readsBytes: Bool
  /// All buffers of the stages and of the maps between them.
  let memory: PlanMemory
  /// In the order of the forward pass.
  private(set) var stages: [any Stage] = []
  /// Of each stage the layer whose gradient is complete once its backward pass is over, if any.
  private(set) var layers: [String] = []
  /// Of each stage whether it has a backward pass: something before it, or in it, is trained.
  private(set) var isTrained: [Bool] = []
  /// Of each stage whether what it makes of a picture never changes in a run.
  private(set) var isTrunk: [Bool] = []
  /// Multiply-adds of a picture in a training step, by the layer whose tensors they are with.
  private(set) var multiplyAdds: [String: Int] = [:]
  /// What the other stages read of those: empty where there are none.
  private(set) var features: [FeatureMap] = []
  /// What the last stage fills.
  private(set) var output: FeatureMap

  /// - Parameters:
  ///   - gradients: of all layers' tensors; its batch decides how sums are cut.
  ///   - batch: pictures that there is room for.
  ///   - wantsInputGradient: whether the loss's gradient for `input` itself is wanted.
  init(
    _ graph: OperationGraph, gradients: GradientLayout, batch: Int, threads: Int,
    wantsInputGradient: Bool, memory: PlanMemory = PlanMemory()
  ) {
    self.memory = memory
    let readers = graph.readers
    let needed = graph.needed
    let borders = graph.borders(needed)
    let trained = graph.trained(by: gradients, orInput: wantsInputGradient)
    let trunk = graph.trunk(gradients)
    // Whether the stages that are appended are the trunk's.
    var isInTrunk = false

    let firsts = readers[.picture, default: []]
    readsBytes =
      firsts.count == 1 && !wantsInputGradient
      && graph.nodes[firsts[0]].operation.readsBytes(of: graph.input, for: needed[firsts[0]])
    input = FeatureMap(
      graph.input, batch: readsBytes ? threads : batch,
      channelStride: graph.input.isFlat || readsBytes ? graph.input.channels : nil,
      border: borders[.picture] ?? .init(), hasGradient: !readsBytes, memory: memory)
    input.reading = graph.reading
    output = input
    var values: [Value: FeatureMap] = [.picture: input]
    var forks: [Value: ForkStage] = [:]
    var owners: Set<String> = []
    if firsts.count > 1, wantsInputGradient { fork(.picture, of: input) }

    /// Makes a value that several read one whose gradients are added.
    func fork(_ value: Value, of map: FeatureMap) {
      let stage = ForkStage(map, batch: batch, memory: memory)
      forks[value] = stage
      append(stage, layer: "", isTrained: true)
    }

    func append(_ stage: any Stage, layer: String, isTrained: Bool) {
      stages.append(stage)
      layers.append(layer)
      self.isTrained.append(isTrained)
      isTrunk.append(isInTrunk)
    }

    for (index, node) in graph.nodes.enumerated() {
      let value = Value.node(index)
      isInTrunk = trunk.contains(value)
      let passes = node.operation.passesGradient && !node.output.isFlat
      var inputs = node.inputs.map { input in
        let map = values[input] ?? self.input
        if passes, forks[input] != nil, map.shape == node.output { return map }
        return forks[input]?.branch(
          needed: node.operation.needed(of: map.shape, for: needed[index]),
          steps: node.operation.inputSteps) ?? map
      }
      var wanted = node.inputs.map { $0 == .picture ? wantsInputGradient : trained.contains($0) }
      let isTrained = trained.contains(value)
      func plan(
        _ layers: String, _ output: FeatureMap, reading some: [FeatureMap]? = nil
      ) -> StagePlan {
        StagePlan(
          layers: layers, inputs: some ?? inputs, wantsInputGradients: wanted, output: output,
          needed: needed[index], gradients: gradients, layer: node.layer, place: node.place,
          batch: batch, threads: threads,
          readsBytes: readsBytes && node.inputs == [.picture], hasBackward: isTrained,
          memory: memory)
      }

      let names = node.names.joined(separator: " + ")
      let isFlatten = node.operation is FlattenOperation
      if node.operation.readsFlat {
        if inputs[0].isCompact {
          inputs[0] = FeatureMap(flattening: inputs[0])
        } else {
          let units = inputs[0].shape.count
          let flat = FeatureMap(
            Shape(units: units), batch: batch, channelStride: units, memory: memory)
          append(
            FlattenStage(plan(isFlatten ? names : "input of \(names)", flat)), layer: "",
            isTrained: wanted[0])
          inputs[0] = flat
        }
      }
      if !node.operation.readsFlat {
        // A flat map that is another's memory may end within a vector.
        for (place, map) in inputs.enumerated() where map.channelStride % halfBlockColumns != 0 {
          guard map.shape.isFlat else { continue }
          let whole = FeatureMap(map.shape, batch: batch, memory: memory)
          append(
            FlattenStage(plan("input of \(names)", whole, reading: [map])), layer: "",
            isTrained: wanted[place])
          inputs[place] = whole
        }
      }
      if isFlatten {
        values[value] = inputs[0]
      } else {
        let output =
          graph.isMade(value, readers, trunk)
          ? FeatureMap(
            madeOf: inputs[0], sharesGradient: isTrained && wanted[0], batch: batch,
            hasGradient: isTrained, memory: memory)
          : FeatureMap(
            node.output, batch: batch, border: borders[value] ?? .init(), hasGradient: isTrained,
            memory: memory)
        values[value] = output
        for (place, input) in node.inputs.enumerated()
        where passes && inputs[place].shape == node.output {
          guard let fork = forks[input] else { continue }
          fork.pass(output)
          wanted[place] = false
        }
        let isFirst = owners.insert(node.layer).inserted
        let stage = node.operation.stage(plan(names, output))
        append(stage, layer: isFirst ? node.layer : "", isTrained: isTrained)
        multiplyAdds[node.layer, default: 0] +=
          stage.multiplyAdds + (isTrained ? stage.backwardMultiplyAdds : 0)
      }
      if readers[value, default: []].count > 1, isTrained {
        fork(value, of: values[value] ?? input)
      }
    }
    output = values[graph.output] ?? input
    let read = trunk.filter { value in
      readers[value, default: []].contains { !trunk.contains(.node($0)) }
    }
    // In the graph's order.
    features = graph.nodes.indices.map(Value.node).filter(read.contains).compactMap { values[$0] }
  }
}
