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
  /// Of each stage the layer whose tensors it has, if any.
  let layers: [String]
  /// The last stage's output.
  var output: FeatureMap { stages.last?.output ?? input }

  /// - Parameters:
  ///   - outputs: the shape after each layer.
  ///   - gradients: of all layers' tensors; its batch decides how sums are cut.
  ///   - batch: pictures that there is room for.
  ///   - wantsInputGradient: whether the loss's gradient for `input` itself is wanted.
  ///   - endsInLogit: whether a last layer's sigmoid is left to the loss; its softmax always is.
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
    var builder = StageBuilder(
      input: input, readsBytes: readsBytes, wantsInputGradient: wantsInputGradient,
      gradients: gradients, batch: batch, threads: threads, memory: memory)
    for (index, part) in parts.enumerated() {
      let names = layers[part.first...part.last].map(\.name)
      let shape = outputs[part.last]
      let border = index + 1 < parts.count ? parts[index + 1].size?.border ?? .init() : .init()
      switch layers[part.first].layer {
      case .convolution:
        guard let size = part.size else { continue }
        builder.append(names, shape, border: border) { Self.convolution($0, size) }
      case .maxPooling(let size):
        builder.append(names, shape, border: border) { PoolingStage($0, size: size) }
      case .flatten:
        builder.flatten(names[0])
      case .dropout(let rate):
        builder.append(names, shape, border: border) {
          DropoutStage($0, layer: part.first, rate: rate)
        }
      case .dense(let units, let activation):
        builder.flatten("input of \(names[0])")
        let isLast = endsInLogit && index + 1 == parts.count
        let isLogit = activation == .softmax || isLast && activation == .sigmoid
        builder.append(names, shape, border: border) {
          DenseStage($0, units: units, activation: isLogit ? .linear : activation)
        }
      }
    }
    stages = builder.stages
    self.layers = builder.layers
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
      case .dropout: break
      case .flatten, .dense:
        needed = (input.height, input.width)
      }
      parts.append((index, last, size))
      index -= 1
    }
    return parts.reversed()
  }
}
