import Primitives

/// What a tensor's numbers are at the start of a run, as Keras's class of the same name draws them.
package enum Initializer: Hashable, Sendable {
  /// What a number's variance is measured by.
  package enum Fan: String, Sendable {
    /// The inputs that an output sums over.
    case inputs = "fan_in"
    /// The outputs that an input reaches.
    case outputs = "fan_out"
    /// Half of both.
    case mean = "fan_avg"
  }

  /// How numbers are spread.
  package enum Distribution: String, Sendable {
    /// Evenly, within a limit.
    case uniform
    /// Normally.
    case normal = "untruncated_normal"
    /// Normally, but for those more than two deviations away, which are drawn anew.
    case truncatedNormal = "truncated_normal"
  }

  /// One number for all.
  case constant(Float)
  /// Keras's `VarianceScaling`: the variance is the scale, divided by a fan.
  case scaled(Float, by: Fan, Distribution)
  /// Between two limits.
  case uniform(Float, Float)
  /// With a mean and a deviation.
  case normal(mean: Float, deviation: Float, isTruncated: Bool)

  /// Uniform within the root of 6 / (fanIn + fanOut), as by Glorot and Bengio, AISTATS 2010.
  package static let glorotUniform = scaled(1, by: .mean, .uniform)

  /// What a tensor has that nobody says anything about.
  static func standard(_ kind: ParameterLayout.Kind) -> Initializer {
    switch kind {
    case .kernel, .depthwiseKernel, .pointwiseKernel: .glorotUniform
    case .gamma, .movingVariance, .variance: .constant(1)
    default: .constant(0)
    }
  }

  /// The deviation of a normal distribution of deviation 1 that is cut off at 2.
  private static let truncatedDeviation = 0.879_625_661_034_239_78

  /// Sets a tensor's numbers, each a function of the draws and its place alone.
  func fill(
    _ values: UnsafeMutableBufferPointer<Float>, fanIn: Int, fanOut: Int, _ draws: CounterRandom
  ) {
    switch self {
    case .constant(let value): values.update(repeating: value)
    case .glorotUniform:
      // In this order of operations from the first version on.
      let limit = (6 / Float(fanIn + fanOut)).squareRoot()
      for i in values.indices { values[i] = draws.symmetricFloat(UInt64(i)) * limit }
    case .scaled(let scale, let fan, let distribution):
      let count =
        switch fan {
        case .inputs: Float(fanIn)
        case .outputs: Float(fanOut)
        case .mean: Float(fanIn + fanOut) / 2
        }
      let variance = scale / max(1, count)
      switch distribution {
      case .uniform:
        let limit = (3 * variance).squareRoot()
        for i in values.indices { values[i] = draws.symmetricFloat(UInt64(i)) * limit }
      case .normal: fillNormally(values, 0, variance.squareRoot(), draws)
      case .truncatedNormal:
        let deviation = Double(variance).squareRoot() / Self.truncatedDeviation
        fillTruncated(values, 0, Float(deviation), draws)
      }
    case .uniform(let low, let high):
      for i in values.indices { values[i] = low + draws.float(UInt64(i)) * (high - low) }
    case .normal(let mean, let deviation, let isTruncated):
      if isTruncated {
        fillTruncated(values, mean, deviation, draws)
      } else {
        fillNormally(values, mean, deviation, draws)
      }
    }
  }

  private func fillNormally(
    _ values: UnsafeMutableBufferPointer<Float>, _ mean: Float, _ deviation: Float,
    _ draws: CounterRandom
  ) {
    for i in values.indices { values[i] = mean + Float(draws.normal(UInt64(i))) * deviation }
  }

  private func fillTruncated(
    _ values: UnsafeMutableBufferPointer<Float>, _ mean: Float, _ deviation: Float,
    _ draws: CounterRandom
  ) {
    for i in values.indices {
      // One of twenty is drawn anew.
      let tries = (0..<16 as Range<UInt64>).lazy.map { draws.normal(UInt64(i) << 4 | $0) }
      values[i] = mean + Float(tries.first { abs($0) <= 2 } ?? 0) * deviation
    }
  }
}

extension CounterRandom {
  /// A number of mean 0 and deviation 1, by Marsaglia's polar method (1964).
  /// - Parameter index: below 2^58.
  func normal(_ index: UInt64) -> Double {
    // Three of four tries are good.
    for attempt in 0..<64 as Range<UInt64> {
      let bits = bits(index << 6 | attempt)
      let u = Double(bits >> 32) * 0x1p-31 - 1
      let v = Double(bits & 0xFFFF_FFFF) * 0x1p-31 - 1
      let square = u * u + v * v
      guard square > 0, square < 1 else { continue }
      return u * (2 * logarithm(1 / square) / square).squareRoot()
    }
    return 0
  }
}
