import KernelInterface

/// Keras's `Rescaling`: scale x + offset.
package struct Rescaling: Layer {
  package var kerasName: String { "rescaling" }
  /// One number, or one a channel.
  package var scale: [Float]
  /// Likewise.
  package var offset: [Float]

  package init(scale: [Float], offset: [Float] = [0]) {
    (self.scale, self.offset) = (scale, offset)
  }

  package func applied(
    to inputs: [Shape], name: String
  ) throws -> (output: Shape, tensors: [ParameterLayout.Tensor]) {
    for numbers in [scale, offset] where ![1, inputs[0].channels].contains(numbers.count) {
      throw ArchitectureError(
        "\(numbers.count) numbers for \(inputs[0].channels) channels: one, or one a channel")
    }
    guard (scale + offset).allSatisfy(\.isFinite) else {
      throw ArchitectureError("a scale or an offset that is no finite number")
    }
    return (inputs[0], [])
  }

  package var operations: [any Operation] { [RescalingOperation(scale: scale, offset: offset)] }
}

struct RescalingOperation: Operation {
  let scale: [Float]
  let offset: [Float]

  func output(of inputs: [Shape]) -> Shape { inputs[0] }
  func needed(of input: Shape, for output: Extent) -> Extent { output }
  func stage(_ plan: StagePlan) -> any Stage { RescalingStage(plan, .numbers(scale, offset)) }

  /// Itself as one scale and one offset; nil where channels differ.
  var ofAll: PixelReading? {
    guard let scale = scale.first, let offset = offset.first,
      self.scale.allSatisfy({ $0 == scale }), self.offset.allSatisfy({ $0 == offset })
    else { return nil }
    return PixelReading(scale: Double(scale), offset: Double(offset))
  }
}

/// Keras's `Normalization` of each channel: (x - mean) / the larger of the root of the variance and
/// 1e-7.
package struct Normalization: Layer {
  package var kerasName: String { "normalization" }
  /// One number, or one a channel; nil where the model's file has them among the weights.
  package var moments: (mean: [Float], variance: [Float])?
  /// Keras's number of the dimension that has the channels; nil for the last.
  package var axis: Int?
  /// Whether it undoes that: x times the root, plus the mean.
  package var inverts = false

  package init() {}

  package func applied(
    to inputs: [Shape], name: String
  ) throws -> (output: Shape, tensors: [ParameterLayout.Tensor]) {
    let channels = inputs[0].channels
    try inputs[0].check(axis: axis)
    if let moments {
      for numbers in [moments.mean, moments.variance] where ![1, channels].contains(numbers.count) {
        throw ArchitectureError(
          "\(numbers.count) numbers for \(channels) channels: one, or one a channel")
      }
      guard moments.mean.allSatisfy(\.isFinite),
        moments.variance.allSatisfy({ $0.isFinite && $0 >= 0 })
      else { throw ArchitectureError("a mean or a variance that cannot be") }
      return (inputs[0], [])
    }
    let kinds: [(ParameterLayout.Kind, [Int])] = [
      (.mean, [channels]), (.variance, [channels]), (.count, []),
    ]
    return (
      inputs[0],
      kinds.map { kind, shape in
        var tensor = ParameterLayout.Tensor(
          layer: name, kind: kind, shape: shape, fanIn: 0, fanOut: 0)
        tensor.isFrozen = true
        return tensor
      }
    )
  }

  package var operations: [any Operation] {
    guard let moments else { return [WeightedRescalingOperation(inverts: inverts)] }
    let deviations = moments.variance.map(Self.deviation)
    guard !inverts else {
      return [RescalingOperation(scale: deviations, offset: moments.mean)]
    }
    let count = max(deviations.count, moments.mean.count)
    func all(_ numbers: [Float]) -> [Float] {
      numbers.count == count ? numbers : Array(repeating: numbers[0], count: count)
    }
    return [
      RescalingOperation(
        scale: deviations.map { 1 / $0 },
        offset: zip(all(moments.mean), all(deviations)).map { -$0 / $1 })
    ]
  }

  /// Keras's divisor.
  static func deviation(_ variance: Float) -> Float { max(variance.squareRoot(), 1e-7) }

  package static func == (a: Self, b: Self) -> Bool {
    a.moments?.mean == b.moments?.mean && a.moments?.variance == b.moments?.variance
      && a.axis == b.axis && a.inverts == b.inverts
  }

  package func hash(into hasher: inout Hasher) {
    hasher.combine(moments?.mean)
    hasher.combine(moments?.variance)
    hasher.combine(axis)
    hasher.combine(inverts)
  }
}

/// A `Normalization` whose moments are weights.
struct WeightedRescalingOperation: Operation {
  let inverts: Bool

  func output(of inputs: [Shape]) -> Shape { inputs[0] }
  func needed(of input: Shape, for output: Extent) -> Extent { output }
  func stage(_ plan: StagePlan) -> any Stage {
    RescalingStage(plan, .moments(plan.tensor(.mean), plan.tensor(.variance), inverts: inverts))
  }
}

/// scale x + offset for each channel: a job is a picture.
final class RescalingStage: Stage {
  /// Where its numbers come from.
  enum Factors {
    /// Scale and offset: one, or one a channel.
    case numbers([Float], [Float])
    /// A mean and a variance for each channel.
    case moments(StageTensor, StageTensor, inverts: Bool)
  }

  let output: FeatureMap
  let layers: String
  let multiplyAdds = 0
  let backwardMultiplyAdds = 0

  private let input: FeatureMap
  private let factors: Factors
  /// [channels], zero in the padding.
  private let scales: Target
  private let offsets: Target
  private let means: Target
  private let zeros: Target

  init(_ plan: StagePlan, _ factors: Factors) {
    layers = plan.layers
    (input, output) = (plan.input, plan.output)
    self.factors = factors
    let (memory, channels) = (plan.memory, plan.input.channelStride)
    (scales, offsets) = (memory.floats(channels), memory.floats(channels))
    (means, zeros) = (memory.floats(channels), memory.floats(channels))
  }

  func forward(_ step: StepContext) {
    for channel in 0..<input.shape.channels {
      switch factors {
      case .numbers(let scale, let offset):
        scales[channel] = scale[scale.count == 1 ? 0 : channel]
        offsets[channel] = offset[offset.count == 1 ? 0 : channel]
      case .moments(let mean, let variance, let inverts):
        let mean = mean[channel, of: step.weights]
        let deviation = Normalization.deviation(variance[channel, of: step.weights])
        scales[channel] = inverts ? deviation : 1 / deviation
        (means[channel], offsets[channel]) = inverts ? (0, mean) : (mean, 0)
      }
    }
    forEachRow(step) { read, write in
      step.kernels.normalizeRow(
        positions: input.shape.width, channels: input.channelStride, input: input.values + read,
        mean: means, scale: scales, shift: offsets,
        bounds: Bounds(floor: -.infinity, ceiling: .infinity), output: output.values + write)
    }
  }

  func backward(_ step: StepContext) {
    forEachRow(step) { read, write in
      step.kernels.normalizationGradientRow(
        positions: input.shape.width, channels: input.channelStride, input: input.values + read,
        gradient: output.gradient + write, mean: means, scale: scales, shift: offsets,
        bounds: Bounds(floor: -.infinity, ceiling: .infinity), a: scales, b: zeros, c: zeros,
        target: input.gradient + read)
    }
  }

  private func forEachRow(_ step: StepContext, _ body: (_ read: Int, _ write: Int) -> Void) {
    step.pool.run(step.batch) { picture, _ in
      for row in 0..<input.shape.height {
        body(input.place(picture, row, 0), output.place(picture, row, 0))
      }
    }
  }
}
