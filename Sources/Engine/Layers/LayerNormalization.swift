import KernelInterface

/// Keras's `LayerNormalization` over the channels of each position, or the units of a flat layer.
///
/// J. Ba, J. Kiros and G. Hinton, 2016.
package struct LayerNormalization: Layer {
  package var kerasName: String { "layer_normalization" }
  /// What is added to a variance before its root is taken.
  package var epsilon: Float = 1e-3
  /// Whether the result is multiplied by a trained number for each channel.
  package var scales = true
  /// Whether a trained number for each channel is added.
  package var centers = true
  /// Keras's number of the dimension that has the channels; nil for the last.
  package var axis: Int?

  package init() {}

  package func applied(
    to inputs: [Shape], name: String
  ) throws -> (output: Shape, tensors: [ParameterLayout.Tensor]) {
    guard epsilon > 0, epsilon.isFinite else {
      throw ArchitectureError("an epsilon of \(epsilon): it must be above 0")
    }
    try inputs[0].check(axis: axis)
    func tensor(_ kind: ParameterLayout.Kind) -> ParameterLayout.Tensor {
      ParameterLayout.Tensor(
        layer: name, kind: kind, shape: [inputs[0].channels], fanIn: 0, fanOut: 0)
    }
    return (inputs[0], (scales ? [tensor(.gamma)] : []) + (centers ? [tensor(.beta)] : []))
  }

  package var operations: [any Operation] { [LayerNormalizationOperation(epsilon: epsilon)] }
}

struct LayerNormalizationOperation: Operation {
  let epsilon: Float

  func output(of inputs: [Shape]) -> Shape { inputs[0] }
  func needed(of input: Shape, for output: Extent) -> Extent { output }
  func stage(_ plan: StagePlan) -> any Stage { LayerNormalizationStage(plan, epsilon) }
}

/// Normalises each position: a job is a picture.
///
/// Backward, each picture has sums of its own, which
/// are added in the pictures' order.
final class LayerNormalizationStage: Stage {
  let output: FeatureMap
  let layers: String
  let multiplyAdds = 0
  let backwardMultiplyAdds = 0

  private typealias Vector = SIMD16<Float>
  private let input: FeatureMap
  private let epsilon: Float
  private let gamma: StageTensor?
  private let beta: StageTensor?
  private let wantsInputGradient: Bool
  /// [channels], zero in the padding.
  private let scales: Target
  private let shifts: Target
  /// [batch][channels]: the gradients of gamma and beta.
  private let products: Target
  private let sums: Target
  private let channels: Int

  init(_ plan: StagePlan, _ epsilon: Float) {
    layers = plan.layers
    (input, output) = (plan.input, plan.output)
    self.epsilon = epsilon
    (gamma, beta) = (plan.tensorIfAny(.gamma), plan.tensorIfAny(.beta))
    wantsInputGradient = plan.wantsInputGradient
    channels = input.channelStride
    (scales, shifts) = (plan.memory.floats(channels), plan.memory.floats(channels))
    products = plan.memory.floats(plan.batch * channels)
    sums = plan.memory.floats(plan.batch * channels)
  }

  /// The mean of a position's numbers, and one over their deviation.
  private func moments(_ x: Source) -> (mean: Float, inverse: Float) {
    var sum = Vector.zero
    forEachVector { sum += vector(x + $0) }
    let mean = total(sum) / Float(input.shape.channels)
    var squares = Vector.zero
    forEachVector { channel in
      let difference = own(vector(x + channel) - mean, channel)
      squares += difference * difference
    }
    let variance = total(squares) / Float(input.shape.channels)
    return (mean, 1 / (variance + epsilon).squareRoot())
  }

  func forward(_ step: StepContext) {
    for channel in 0..<input.shape.channels {
      scales[channel] = gamma?[channel, of: step.weights] ?? 1
      shifts[channel] = beta?[channel, of: step.weights] ?? 0
    }
    forEachPosition(step) { _, read, write in
      let x = Source(input.values + read)
      let (mean, inverse) = moments(x)
      forEachVector { channel in
        let y = (vector(x + channel) - mean) * inverse
        let scaled = y * vector(scales + channel) + vector(shifts + channel)
        store(scaled, output.values + write + channel)
      }
    }
  }

  func backward(_ step: StepContext) {
    guard let gradient = step.gradient else { return }
    products.update(repeating: 0, count: step.batch * channels)
    sums.update(repeating: 0, count: step.batch * channels)
    forEachPosition(step) { picture, read, write in
      let (x, dy) = (Source(input.values + read), Source(output.gradient + write))
      let (mean, inverse) = moments(x)
      // Of the gradient to the normalised numbers, the mean, and its mean with those.
      var (first, second) = (Vector.zero, Vector.zero)
      let (products, sums) = (products + picture * channels, sums + picture * channels)
      forEachVector { channel in
        let g = vector(dy + channel)
        let y = own((vector(x + channel) - mean) * inverse, channel)
        store(vector(products + channel) + g * y, products + channel)
        store(vector(sums + channel) + g, sums + channel)
        let own = g * vector(scales + channel)
        first += own
        second += own * y
      }
      guard wantsInputGradient else { return }
      let count = Float(input.shape.channels)
      let (a, b) = (total(first) / count, total(second) / count)
      forEachVector { channel in
        let y = (vector(x + channel) - mean) * inverse
        let g = vector(dy + channel) * vector(scales + channel)
        store(own((g - a - y * b) * inverse, channel), input.gradient + read + channel)
      }
    }
    for channel in 0..<input.shape.channels {
      var (product, sum) = (products[channel], sums[channel])
      for picture in 1..<max(1, step.batch) {
        product += products[picture * channels + channel]
        sum += sums[picture * channels + channel]
      }
      gamma?.set(channel, of: gradient, to: product)
      beta?.set(channel, of: gradient, to: sum)
    }
  }

  private func forEachPosition(
    _ step: StepContext, _ body: (_ picture: Int, _ read: Int, _ write: Int) -> Void
  ) {
    step.pool.run(step.batch) { picture, _ in
      for row in 0..<input.shape.height {
        for column in 0..<input.shape.width {
          body(picture, input.place(picture, row, column), output.place(picture, row, column))
        }
      }
    }
  }

  // MARK: Sixteen channels at a time, in one order on every machine

  private func forEachVector(_ body: (_ channel: Int) -> Void) {
    for channel in stride(from: 0, to: channels, by: 16) { body(channel) }
  }

  private func vector(_ floats: Source) -> Vector {
    UnsafeRawPointer(floats).loadUnaligned(as: Vector.self)
  }

  private func store(_ value: Vector, _ floats: Target) {
    UnsafeMutableRawPointer(floats).storeBytes(of: value, as: Vector.self)
  }

  /// Zero in the lanes that are padding.
  private func own(_ value: Vector, _ channel: Int) -> Vector {
    let left = input.shape.channels - channel
    guard left < 16 else { return value }
    var value = value
    for lane in left..<16 { value[lane] = 0 }
    return value
  }

  private func total(_ vector: Vector) -> Float {
    (1..<16).reduce(vector[0]) { $0 + vector[$1] }
  }
}
