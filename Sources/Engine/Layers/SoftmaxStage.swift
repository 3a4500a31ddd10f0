import KernelInterface

/// A softmax inside a network, over the channels of each position: exp(x) / the sum of exp.
///
/// In doubles and one number after the other, as the loss computes that of a last layer: the bits
/// are the same on every machine. A job is a picture.
final class SoftmaxStage: Stage {
  let output: FeatureMap
  let layers: String
  let multiplyAdds = 0
  let backwardMultiplyAdds = 0

  private let input: FeatureMap
  private let channels: Int

  init(_ plan: StagePlan) {
    layers = plan.layers
    (input, output) = (plan.input, plan.output)
    channels = plan.input.shape.channels
  }

  func forward(_ step: StepContext) {
    forEachPosition(step) { read, write in
      let (x, y) = (input.values + read, output.values + write)
      var largest = x[0]
      for channel in 1..<channels where x[channel] > largest { largest = x[channel] }
      var sum = 0.0
      for channel in 0..<channels { sum += exponential(Double(x[channel] - largest)) }
      for channel in 0..<channels {
        y[channel] = Float(exponential(Double(x[channel] - largest)) / sum)
      }
    }
  }

  /// y (g - the sum of y g).
  func backward(_ step: StepContext) {
    forEachPosition(step) { read, write in
      let (y, own) = (output.values + write, output.gradient + write)
      var sum = 0.0
      for channel in 0..<channels { sum += Double(y[channel]) * Double(own[channel]) }
      for channel in 0..<channels {
        input.gradient[read + channel] = Float(Double(y[channel]) * (Double(own[channel]) - sum))
      }
    }
  }

  private func forEachPosition(
    _ step: StepContext, _ body: (_ read: Int, _ write: Int) -> Void
  ) {
    step.pool.run(step.batch) { picture, _ in
      for row in 0..<input.shape.height {
        for column in 0..<input.shape.width {
          body(input.place(picture, row, column), output.place(picture, row, column))
        }
      }
    }
  }
}
