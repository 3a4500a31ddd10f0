import KernelInterface
import Primitives

/// Keras's `Dropout`: in training each number is dropped with the probability `rate`; with a
/// `noise_shape` so is each picture, and in `SpatialDropout2D` each channel of one.
package struct Dropout: Layer {
  /// What is dropped as one.
  package enum Grain: Sendable {
    /// A number.
    case number
    /// A channel of a picture.
    case channel
    /// All of a picture: stochastic depth (G. Huang and others, ECCV 2016).
    case picture
  }

  package var kerasName: String { grain == .channel ? "spatial_dropout2d" : "dropout" }
  /// From 0 to below 1.
  package var rate: Float
  /// What is dropped as one.
  package var grain = Grain.number

  package init(rate: Float) { self.rate = rate }

  package func applied(
    to inputs: [Shape], name: String
  ) throws -> (output: Shape, tensors: [ParameterLayout.Tensor]) {
    guard rate >= 0, rate < 1 else {
      throw ArchitectureError("dropout of \(rate); it must be at least 0 and below 1")
    }
    guard grain == .number || !inputs[0].isFlat else {
      throw ArchitectureError("what is dropped as one is of a map, not of a flat layer")
    }
    return (inputs[0], [])
  }

  package var operations: [any Operation] { [DropoutOperation(rate: rate, grain: grain)] }
}

extension Layer where Self == Dropout {
  /// Keras's `Dropout`.
  package static func dropout(rate: Float) -> Dropout { Dropout(rate: rate) }
}

struct DropoutOperation: Operation {
  let rate: Float
  let grain: Dropout.Grain

  func output(of inputs: [Shape]) -> Shape { inputs[0] }
  func needed(of input: Shape, for output: Extent) -> Extent { output }
  var isRandom: Bool { true }
  func stage(_ plan: StagePlan) -> any Stage { DropoutStage(plan, self) }
}

/// Dropout, inverted as Keras has it: in training a number is set to zero with the probability
/// `rate`, and is divided by 1 - rate otherwise; at inference it passes as it is.
///
/// After N. Srivastava and others, JMLR 15, 2014. Drawn from the seed, the step, the layer and the
/// number's place in the batch: whoever computes the step draws the same.
final class DropoutStage: Stage {
  let output: FeatureMap
  let layers: String
  let multiplyAdds = 0
  let backwardMultiplyAdds = 0

  private let input: FeatureMap
  /// Its place among the model's layers.
  private let layer: Int
  /// Of 2^32 draws so many are dropped.
  private let dropped: UInt32
  private let kept: Float
  private let grain: Dropout.Grain
  /// Of a picture: one a number, or one a channel.
  private let factorCount: Int
  /// What each number was multiplied by, [batch][height][width][channels], or [batch][channels].
  private let factors: Target

  init(_ plan: StagePlan, _ dropout: DropoutOperation) {
    let rate = dropout.rate
    grain = dropout.grain
    factorCount = grain == .number ? plan.input.shape.count : plan.input.shape.channels
    layers = plan.layers
    (input, output) = (plan.input, plan.output)
    layer = plan.place
    dropped = UInt32(Double(rate) * 0x1p32)
    kept = 1 / (1 - rate)
    factors = plan.memory.floats(plan.batch * factorCount)
  }

  func forward(_ step: StepContext) {
    step.pool.run(step.batch) { picture, _ in
      guard let number = step.training else {
        return forEachPosition(of: picture) { read, write, _, channels in
          (output.values + write).update(from: input.values + read, count: channels)
        }
      }
      draw(number, picture)
      forEachPosition(of: picture) { read, write, place, channels in
        for i in 0..<channels {
          output.values[write + i] = input.values[read + i] * factors[place + i]
        }
      }
    }
  }

  func backward(_ step: StepContext) {
    step.pool.run(step.batch) { picture, _ in
      forEachPosition(of: picture) { read, write, place, channels in
        for i in 0..<channels {
          let gradient = output.gradient[write + i]
          input.gradient[read + i] = step.training == nil ? gradient : gradient * factors[place + i]
        }
      }
    }
  }

  /// The factors of one picture: two of each 64 random bits.
  private func draw(_ step: TrainingStep, _ picture: Int) {
    let random = CounterRandom(
      seed: step.seed, purpose: .dropout, UInt64(bitPattern: Int64(step.number)),
      UInt64(layer) << 32 | UInt64(picture))
    let (count, factors) = (factorCount, factors + picture * factorCount)
    if grain == .picture {
      let isDropped = UInt32(truncatingIfNeeded: random.bits(0)) < dropped
      return factors.update(repeating: isDropped ? 0 : kept, count: count)
    }
    for pair in 0..<(count + 1) / 2 {
      let bits = random.bits(UInt64(pair))
      factors[2 * pair] = UInt32(truncatingIfNeeded: bits) < dropped ? 0 : kept
      guard 2 * pair + 1 < count else { break }
      factors[2 * pair + 1] = UInt32(bits >> 32) < dropped ? 0 : kept
    }
  }

  /// Calls `body` with where each position of a picture begins, in the input's map, in the output's
  /// and among the factors, and how many channels it has.
  private func forEachPosition(
    of picture: Int, _ body: (_ read: Int, _ write: Int, _ place: Int, _ channels: Int) -> Void
  ) {
    let shape = input.shape
    for row in 0..<shape.height {
      for column in 0..<shape.width {
        body(
          picture * input.pictureStride + row * input.rowStride + column * input.channelStride,
          picture * output.pictureStride + row * output.rowStride + column * output.channelStride,
          picture * factorCount
            + (grain == .number ? (row * shape.width + column) * shape.channels : 0),
          shape.channels)
      }
    }
  }
}
