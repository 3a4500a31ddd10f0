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
  /// In the order of the forward pass.
  let stages: [any Stage]
  /// The last stage's output.
  var output: FeatureMap { stages.last?.output ?? input }

  /// - Parameters:
  ///   - outputs: the shape after each layer.
  ///   - gradients: of all layers' tensors.
  ///   - wantsInputGradient: whether the loss's gradient for `input` itself is wanted.
  init(
    input shape: Shape, layers: [(name: String, layer: Layer)], outputs: [Shape],
    gradients: GradientLayout, batch: Int, threads: Int, wantsInputGradient: Bool
  ) {
    let parts = Self.parts(shape, layers, outputs)
    // A convolution reads a picture's three channels as they are; other layers want padding.
    readsBytes = parts.first?.size?.suitsWinograd == false && !wantsInputGradient
    input = FeatureMap(
      shape, batch: readsBytes ? threads : batch,
      channelStride: shape.isFlat || readsBytes ? shape.channels : nil,
      border: parts.first?.size?.border ?? .init(), hasGradient: !readsBytes)
    let tensors = zip(gradients.parameters.tensors, gradients.places).map(StageTensor.init)
    var stages: [any Stage] = []
    var current = input
    for (index, part) in parts.enumerated() {
      let own = tensors.filter { $0.weights.layer == layers[part.first].name }
      let wanted = wantsInputGradient || !stages.isEmpty
      let output = outputs[part.last]
      let border = index + 1 < parts.count ? parts[index + 1].size?.border ?? .init() : .init()
      switch layers[part.first].layer {
      case .convolution:
        guard let size = part.size else { continue }
        let map = FeatureMap(output, batch: batch, border: border)
        stages.append(
          Self.convolution(
            size, input: current, output: map, tensors: own, batch: batch, threads: threads,
            wantsInputGradient: wanted, readsBytes: readsBytes && stages.isEmpty))
      case .maxPooling(let size):
        let map = FeatureMap(output, batch: batch, border: border)
        stages.append(
          PoolingStage(
            layers[part.first].name, size: size, input: current, output: map, batch: batch,
            threads: threads))
      case .flatten where current.channelStride == current.shape.channels:
        current = FeatureMap(flattening: current)
        continue
      case .flatten:
        stages.append(FlattenStage(layers[part.first].name, input: current, batch: batch))
      case .dense(let units, let activation):
        if current.channelStride != current.shape.channels {
          current = FlattenStage.appended(
            to: &stages, "input of \(layers[part.first].name)", input: current, batch: batch)
        }
        stages.append(
          DenseStage(
            units: units, relu: activation == .relu, input: current, tensors: own, batch: batch,
            wantsInputGradient: wanted))
      }
      current = stages[stages.count - 1].output
    }
    self.stages = stages
  }

  /// The stage that suits a convolution's size.
  private static func convolution(
    _ size: ConvolutionSize, input: FeatureMap, output: FeatureMap, tensors: [StageTensor],
    batch: Int, threads: Int, wantsInputGradient: Bool, readsBytes: Bool
  ) -> any Stage {
    guard size.suitsWinograd, input.channelStride == padded(input.shape.channels) else {
      return ConvolutionStage(
        size, input: input, output: output, tensors: tensors, batch: batch, threads: threads,
        wantsInputGradient: wantsInputGradient, readsBytes: readsBytes)
    }
    let isWhole = WinogradWholeStage.suits(
      tiles: batch * size.tileRows * size.tileColumns, inputs: input.channelStride,
      outputs: output.channelStride)
    return isWhole
      ? WinogradWholeStage(
        size, input: input, output: output, tensors: tensors, batch: batch, threads: threads,
        wantsInputGradient: wantsInputGradient)
      : WinogradBlockStage(
        size, input: input, output: output, tensors: tensors, batch: batch, threads: threads,
        wantsInputGradient: wantsInputGradient)
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
          layers: layers[index...last].map(\.name).joined(separator: " + "),
          neededHeight: needed.height,
          neededWidth: needed.width)
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
