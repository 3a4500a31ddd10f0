/// The stages that compute a row of layers, with all their buffers.
///
/// Work that never reaches the loss is left out: pooling by 2 drops the last row and column of an
/// odd map, and with it the border of every map above. What is needed is computed backwards from
/// the last layer, exactly, for any model.
struct Plan {
  /// What the first stage reads.
  let input: FeatureMap
  /// Whether the first stage fills `input` itself, one picture a thread, from bytes.
  let readsBytes: Bool
  /// All buffers of the stages and of the maps between them.
  let memory: PlanMemory
  /// In the order of the forward pass.
  let stages: [any Stage]
  /// The last stage's output.
  var output: FeatureMap { stages.last?.output ?? input }

  /// - Parameters:
  ///   - outputs: the shape after each layer.
  ///   - gradients: of all layers' tensors; its batch decides how sums are cut.
  ///   - batch: pictures that there is room for.
  ///   - wantsInputGradient: whether the loss's gradient for `input` itself is wanted.
  ///   - endsInLogit: whether a last layer's sigmoid is left to the loss.
  init(
    input shape: Shape, layers: [(name: String, layer: Layer)], outputs: [Shape],
    gradients: GradientLayout, batch: Int, threads: Int, wantsInputGradient: Bool,
    endsInLogit: Bool = true, memory: PlanMemory = PlanMemory()
  ) {
    self.memory = memory
    let parts = Self.parts(shape, layers, outputs)
    // A convolution reads a picture's three channels as they are; other layers want padding.
    let readsBytes = parts.first?.size?.suitsWinograd == false && !wantsInputGradient
    self.readsBytes = readsBytes
    input = FeatureMap(
      shape, batch: readsBytes ? threads : batch,
      channelStride: shape.isFlat || readsBytes ? shape.channels : nil,
      border: parts.first?.size?.border ?? .init(), hasGradient: !readsBytes,
      memory: memory)
    let tensors = zip(gradients.parameters.tensors, gradients.places).map(StageTensor.init)
    var stages: [any Stage] = []
    var current = input
    for (index, part) in parts.enumerated() {
      let (name, layer) = layers[part.first]
      let names = layers[part.first...part.last].map(\.name).joined(separator: " + ")
      let border = index + 1 < parts.count ? parts[index + 1].size?.border ?? .init() : .init()
      // The next stage's, from what the last one put out.
      func plan(_ names: String, _ output: FeatureMap) -> StagePlan {
        StagePlan(
          layers: names, input: current, output: output,
          tensors: tensors.filter { $0.weights.layer == name }, batch: batch,
          stepSize: gradients.batch, threads: threads,
          wantsInputGradient: wantsInputGradient || !stages.isEmpty,
          readsBytes: readsBytes && stages.isEmpty, memory: memory)
      }
      func map() -> FeatureMap {
        FeatureMap(outputs[part.last], batch: batch, border: border, memory: memory)
      }
      // Without padding a map is flat as it lies.
      func flatten(_ names: String) {
        if current.channelStride != current.shape.channels {
          let flat = FeatureMap(
            Shape(units: current.shape.count), batch: batch, channelStride: current.shape.count,
            memory: memory)
          stages.append(FlattenStage(plan(names, flat)))
          current = flat
        } else {
          current = FeatureMap(flattening: current)
        }
      }
      switch layer {
      case .convolution:
        guard let size = part.size else { continue }
        stages.append(Self.convolution(plan(names, map()), size))
      case .maxPooling(let size):
        stages.append(PoolingStage(plan(names, map()), size: size))
      case .flatten:
        flatten(name)
        continue
      case .dense(let units, let activation):
        flatten("input of \(name)")
        let isLogit = endsInLogit && index + 1 == parts.count && activation == .sigmoid
        stages.append(
          DenseStage(
            plan(names, map()), units: units, activation: isLogit ? .linear : activation))
      }
      current = stages[stages.count - 1].output
    }
    self.stages = stages
  }

  /// The stage that suits a convolution's size.
  private static func convolution(_ plan: StagePlan, _ size: ConvolutionSize) -> any Stage {
    let suitsWinograd =
      size.suitsWinograd && plan.input.channelStride == padded(plan.input.shape.channels)
    return suitsWinograd ? WinogradStage(plan, size) : ConvolutionStage(plan, size)
  }

  /// Layers first...last that one stage computes, and a convolution's size.
  private typealias Part = (first: Int, last: Int, size: ConvolutionSize?)

  /// Cuts the layers into parts, from the last to the first.
  private static func parts(
    _ shape: Shape, _ layers: [(name: String, layer: Layer)], _ outputs: [Shape]
  ) -> [Part] {
    var parts: [Part] = []
    var needed = (height: outputs.last?.height ?? 1, width: outputs.last?.width ?? 1)
    var index = layers.count - 1
    while index >= 0 {
      let last = index
      var poolSize = 1
      if case .maxPooling(let size) = layers[index].layer, index > 0,
        case .convolution = layers[index - 1].layer
      {
        poolSize = size
        index -= 1
      }
      let input = index == 0 ? shape : outputs[index - 1]
      var size: ConvolutionSize?
      switch layers[index].layer {
      case .convolution(let convolution):
        let own = ConvolutionSize(
          convolution: convolution, poolSize: poolSize, input: input,
          neededHeight: needed.height, neededWidth: needed.width)
        needed = own.neededInput
        size = own
      case .maxPooling(let pooling):
        needed = (needed.height * pooling, needed.width * pooling)
      case .flatten, .dense:
        needed = (input.height, input.width)
      }
      parts.append((index, last, size))
      index -= 1
    }
    return parts.reversed()
  }
}
