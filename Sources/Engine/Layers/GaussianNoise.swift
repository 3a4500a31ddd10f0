import KernelInterface
import Primitives

/// Keras's `GaussianNoise`: in training a normally distributed number is added to each.
package struct GaussianNoise: Layer {
  package var kerasName: String { "gaussian_noise" }
  /// The numbers' standard deviation.
  package var deviation: Float

  package init(deviation: Float) { self.deviation = deviation }

  package func applied(
    to inputs: [Shape], name: String
  ) throws -> (output: Shape, tensors: [ParameterLayout.Tensor]) {
    guard deviation >= 0, deviation.isFinite else {
      throw ArchitectureError("noise with a deviation of \(deviation); it must be at least 0")
    }
    return (inputs[0], [])
  }

  package var operations: [any Operation] { [GaussianNoiseOperation(deviation: deviation)] }
}

struct GaussianNoiseOperation: Operation {
  let deviation: Float

  func output(of inputs: [Shape]) -> Shape { inputs[0] }
  func needed(of input: Shape, for output: Extent) -> Extent { output }
  var isRandom: Bool { true }
  func stage(_ plan: StagePlan) -> any Stage { GaussianNoiseStage(plan, deviation) }
}

/// Adds noise, drawn from the seed, the step, the layer and the number's place: a job is a picture.
final class GaussianNoiseStage: Stage {
  let output: FeatureMap
  let layers: String
  let multiplyAdds = 0
  let backwardMultiplyAdds = 0

  private let input: FeatureMap
  private let deviation: Float
  /// Its place among the model's layers.
  private let layer: Int

  init(_ plan: StagePlan, _ deviation: Float) {
    layers = plan.layers
    (input, output) = (plan.input, plan.output)
    self.deviation = deviation
    layer = plan.place
  }

  func forward(_ step: StepContext) {
    step.pool.run(step.batch) { picture, _ in
      forEachRow(of: picture, input, output) { read, write, count in
        (output.values + write).update(from: input.values + read, count: count)
      }
      guard let number = step.training else { return }
      let random = CounterRandom(
        seed: number.seed, purpose: .noise, UInt64(bitPattern: Int64(number.number)),
        UInt64(layer) << 32 | UInt64(picture))
      var index: UInt64 = 0
      for row in 0..<output.shape.height {
        for column in 0..<output.shape.width {
          let place = output.place(picture, row, column)
          for channel in 0..<output.shape.channels {
            output.values[place + channel] += Float(random.normal(index)) * deviation
            index += 1
          }
        }
      }
    }
  }

  func backward(_ step: StepContext) {
    step.pool.run(step.batch) { picture, _ in
      forEachRow(of: picture, input, output) { read, write, count in
        (input.gradient + read).update(from: output.gradient + write, count: count)
      }
    }
  }
}
