import KernelInterface

/// One layer alone, on floats: for tests that compare it with another implementation.
package final class LayerProbe {
  private let layout: ParameterLayout
  private let plan: Plan
  private let weights: ParameterBuffer
  private let kernels: any KernelOperations.Type
  private let pool: ThreadPool
  private let batch: Int
  private let training: TrainingStep?

  /// - Parameters:
  ///   - pooling: the size of the max pooling that follows a convolution; 1 for none.
  ///   - training: what dropout draws by; nil for inference.
  ///   - isLast: whether the layer is the model's last, whose sigmoid is part of the loss.
  package init(
    layer: any Layer, pooling: Int = 1, input: Shape, batch: Int, threads: Int = 1,
    kernels: KernelSet, training: TrainingStep? = nil, isLast: Bool = true
  ) throws {
    let (shape, tensors) = try layer.applied(to: [input], name: "layer")
    var nodes = [Architecture.Node(name: "layer", layer: layer, inputs: [.picture])]
    if pooling > 1 {
      let pooling = Pooling(.max, size: pooling)
      _ = try pooling.applied(to: [shape], name: "pooling")
      nodes.append(Architecture.Node(name: "pooling", layer: pooling, inputs: [.node(0)]))
    }
    layout = ParameterLayout(tensors)
    weights = ParameterBuffer(layout)
    self.kernels = kernels.operations
    self.batch = batch
    self.training = training
    pool = try ThreadPool(threads: threads)
    let graph = OperationGraph(
      input: input, layers: nodes, output: .node(nodes.count - 1), endsInLogits: isLast)
    plan = Plan(
      graph, gradients: GradientLayout(layout, batch: batch, factors: false), batch: batch,
      threads: threads, wantsInputGradient: true)
  }

  /// The layer's output, [batch][height][width][channels]; kernel and bias may be empty.
  package func forward(input: [Float], kernel: [Float], bias: [Float]) -> [Float] {
    _ = run(input, kernel, bias)
    return read(plan.output.values, plan.output)
  }

  /// The gradients for `outputGradient`, the loss's with respect to the layer's output (to a
  /// last sigmoid's logit).
  package func backward(
    input: [Float], kernel: [Float], bias: [Float], outputGradient: [Float]
  ) -> (inputGradient: [Float], kernelGradient: [Float], biasGradient: [Float]) {
    let step = run(input, kernel, bias)
    write(outputGradient, plan.output.gradient, plan.output)
    for stage in plan.stages.reversed() { stage.backward(step) }
    let gradients = layout.tensors.map { tensor in step.gradient.map { Array($0[tensor]) } ?? [] }
    return (
      read(plan.input.gradient, plan.input), gradients.first ?? [],
      gradients.dropFirst().first ?? []
    )
  }

  private func run(_ input: [Float], _ kernel: [Float], _ bias: [Float]) -> StepContext {
    write(input, plan.input.values, plan.input)
    for (tensor, values) in zip(layout.tensors, [kernel, bias]) {
      _ = weights[tensor].update(fromContentsOf: values)
    }
    let step = StepContext(
      batch: batch, pictures: [], weights: weights, gradient: ParameterBuffer(layout),
      training: training, pool: pool, kernels: kernels)
    for stage in plan.stages { stage.forward(step) }
    return step
  }

  private func write(_ values: [Float], _ memory: Target, _ map: FeatureMap) {
    for i in values.indices { memory[place(i, map)] = values[i] }
  }

  private func read(_ memory: Target, _ map: FeatureMap) -> [Float] {
    (0..<batch * map.shape.count).map { memory[place($0, map)] }
  }

  /// Where the map has the number that stands at `index` of [batch][height][width][channels].
  private func place(_ index: Int, _ map: FeatureMap) -> Int {
    let shape = map.shape
    let (position, channel) = index.quotientAndRemainder(dividingBy: shape.channels)
    let (row, x) = position.quotientAndRemainder(dividingBy: shape.width)
    let (picture, y) = row.quotientAndRemainder(dividingBy: shape.height)
    return picture * map.pictureStride + y * map.rowStride + x * map.channelStride + channel
  }
}
