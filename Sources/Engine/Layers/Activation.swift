import KernelInterface

/// What is done to each number of a layer's output alone; softmax, to those of a picture together.
public enum Activation: String, Hashable, Sendable {
  /// The value itself.
  case linear
  /// max(0, x).
  case relu
  /// 1 / (1 + exp(-x)).
  case sigmoid
  /// exp(x) / the sum of exp over the layer's outputs; of a model's last layer alone.
  case softmax
}

extension Activation {
  /// None for the value itself.
  var operations: [any Operation] {
    self == .linear ? [] : [ActivationOperation(activation: self)]
  }
}

/// Computes an activation that no stage before it has taken over.
struct ActivationOperation: Operation {
  let activation: Activation

  func output(of inputs: [Shape]) -> Shape { inputs[0] }
  func needed(of input: Shape, for output: Extent) -> Extent { output }
  func stage(_ plan: StagePlan) -> any Stage { ActivationStage(plan, activation) }
}

extension Operation {
  /// Whether it is a softmax, which the loss alone computes.
  var isSoftmax: Bool { (self as? ActivationOperation)?.activation == .softmax }
}

/// An activation alone.
///
/// The sigmoid is computed in doubles, as the loss computes the last layer's.
final class ActivationStage: Stage {
  let output: FeatureMap
  let layers: String
  let multiplyAdds = 0
  let backwardMultiplyAdds = 0

  private let input: FeatureMap
  private let activation: Activation

  init(_ plan: StagePlan, _ activation: Activation) {
    layers = plan.layers
    (input, output) = (plan.input, plan.output)
    self.activation = activation
  }

  func forward(_ step: StepContext) {
    step.pool.run(step.batch) { picture, _ in
      forEachPosition(of: picture) { read, write in
        for i in 0..<input.shape.channels {
          let x = input.values[read + i]
          output.values[write + i] =
            switch activation {
            case .linear, .softmax: x
            case .relu: x > 0 ? x : 0
            case .sigmoid: Float(sigmoid(Double(x)))
            }
        }
      }
    }
  }

  func backward(_ step: StepContext) {
    step.pool.run(step.batch) { picture, _ in
      forEachPosition(of: picture) { read, write in
        for i in 0..<input.shape.channels {
          let (y, gradient) = (output.values[write + i], output.gradient[write + i])
          input.gradient[read + i] =
            switch activation {
            case .linear, .softmax: gradient
            case .relu: y > 0 ? gradient : 0
            case .sigmoid: gradient * (y * (1 - y))
            }
        }
      }
    }
  }

  /// Calls `body` with where each position of a picture begins, in the input's map and the output's.
  private func forEachPosition(of picture: Int, _ body: (_ read: Int, _ write: Int) -> Void) {
    for row in 0..<input.shape.height {
      for column in 0..<input.shape.width {
        body(input.place(picture, row, column), output.place(picture, row, column))
      }
    }
  }
}
