/// The stages that compute a row of layers, with all their buffers.
struct Plan {
  /// What the first stage reads.
  let input: FeatureMap
  /// In the order of the forward pass.
  let stages: [any Stage]
  /// The last stage's output.
  var output: FeatureMap { stages.last?.output ?? input }

  /// - Parameters:
  ///   - outputs: the shape after each layer.
  ///   - tensors: of all layers, in order.
  ///   - wantsInputGradient: whether the loss's gradient for `input` itself is wanted.
  init(
    input shape: Shape, layers: [(name: String, layer: Layer)], outputs: [Shape],
    tensors: [ParameterLayout.Tensor], batch: Int, threads: Int, wantsInputGradient: Bool
  ) {
    // A convolution reads a picture's three channels as they are; other layers want padding.
    var unpadded: Int?
    if case .convolution? = layers.first?.layer, !wantsInputGradient { unpadded = shape.channels }
    input =
      shape.isFlat
      ? FeatureMap(shape, batch: batch, channelStride: shape.channels)
      : FeatureMap(shape, batch: batch, channelStride: unpadded)
    var stages: [any Stage] = []
    var current = input
    var index = 0
    while index < layers.count {
      let (name, layer) = layers[index]
      let own = tensors.filter { $0.layer == name }
      let wanted = wantsInputGradient || !stages.isEmpty
      switch layer {
      case .convolution(let convolution):
        var poolSize = 1
        if index + 1 < layers.count, case .maxPooling(let size) = layers[index + 1].layer {
          poolSize = size
          index += 1
        }
        stages.append(
          ConvolutionStage(
            convolution, poolSize: poolSize, input: current, outputShape: outputs[index],
            tensors: own, batch: batch, threads: threads, wantsInputGradient: wanted))
      case .maxPooling(let size):
        stages.append(
          PoolingStage(size: size, input: current, outputShape: outputs[index], batch: batch))
      case .flatten where current.channelStride == current.shape.channels:
        current = FeatureMap(flattening: current)
        index += 1
        continue
      case .flatten:
        stages.append(FlattenStage(input: current, batch: batch))
      case .dense(let units, let activation):
        if current.channelStride != current.shape.channels {
          stages.append(FlattenStage(input: current, batch: batch))
          current = stages[stages.count - 1].output
        }
        stages.append(
          DenseStage(
            units: units, relu: activation == .relu, input: current, tensors: own, batch: batch,
            wantsInputGradient: wanted))
      }
      current = stages[stages.count - 1].output
      index += 1
    }
    self.stages = stages
  }
}
