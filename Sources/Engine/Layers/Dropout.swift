import KernelInterface
import Primitives

/// Keras's `Dropout`: in training each number is dropped with the probability `rate`.
package struct Dropout: Layer {
  package var kerasName: String { "dropout" }
  /// From 0 to below 1.
  package var rate: Float

  package init(rate: Float) { self.rate = rate }

  package func applied(
    to inputs: [Shape], name: String
  ) throws -> (output: Shape, tensors: [ParameterLayout.Tensor]) {
    guard rate >= 0, rate < 1 else {
      throw ArchitectureError("dropout of \(rate); it must be at least 0 and below 1")
    }
    return (inputs[0], [])
  }

  package var operations: [any Operation] { [DropoutOperation(rate: rate)] }
}

extension Layer where Self == Dropout {
  /// Keras's `Dropout`.
  package static func dropout(rate: Float) -> Dropout { Dropout(rate: rate) }
}

struct DropoutOperation: Operation {
  let rate: Float

  func output(of inputs: [Shape]) -> Shape { inputs[0] }
  func needed(of input: Shape, for output: Extent) -> Extent { output }
  var isRandom: Bool { true }
  func stage(_ plan: StagePlan) -> any Stage { DropoutStage(plan, rate: rate) }
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
  /// What each number was multiplied by, [batch][height][width][channels].
  private let factors: Target

  init(_ plan: StagePlan, rate: Float) {
    layers = plan.layers
    (input, output) = (plan.input, plan.output)
    layer = plan.place
    dropped = UInt32(Double(rate) * 0x1p32)
    kept = 1 / (1 - rate)
    factors = plan.memory.floats(plan.batch * plan.input.shape.count)
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
    let (count, factors) = (input.shape.count, factors + picture * input.shape.count)
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
          ((picture * shape.height + row) * shape.width + column) * shape.channels, shape.channels)
      }
    }
  }
}
