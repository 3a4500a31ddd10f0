import KernelInterface

/// What is done to each number of a layer's output alone; softmax, to those of a position together.
public enum Activation: Hashable, Sendable {
  /// The value itself.
  case linear
  /// max(0, x).
  case relu
  /// x from a threshold on, at most the ceiling; slope (x - threshold) below: Keras's `ReLU`,
  /// `LeakyReLU`, `relu6`.
  case rectified(slope: Float, threshold: Float, ceiling: Float)
  /// 1 / (1 + exp(-x)).
  case sigmoid
  /// slope x + offset, between 0 and 1.
  case hardSigmoid(slope: Float, offset: Float)
  /// tanh x.
  case tanh
  /// x / (1 + exp(-x)), also called silu.
  case swish
  /// x times the normal distribution's share below x; `approximate`, by tanh for the error
  /// function (D. Hendrycks and K. Gimpel, 2016).
  case gelu(approximate: Bool)
  /// exp(x) / the sum of exp over the outputs of a position, or of a flat layer.
  case softmax

  /// max(0, x), at most 6.
  package static let relu6 = Activation.rectified(slope: 0, threshold: 0, ceiling: 6)

  /// What a relu leaves, where it only cuts numbers off.
  var bounds: Bounds? {
    switch self {
    case .relu: Bounds(floor: 0, ceiling: .infinity)
    case .rectified(slope: 0, threshold: 0, let ceiling): Bounds(floor: 0, ceiling: ceiling)
    default: nil
    }
  }

  /// The kernels' name of it; nil where nothing is computed here.
  var function: ActivationFunction? {
    switch self {
    case .linear, .softmax: nil
    case .relu: ActivationFunction(kind: activationRelu)
    case .rectified(let slope, let threshold, let ceiling):
      ActivationFunction(kind: activationRelu, slope: slope, offset: threshold, ceiling: ceiling)
    case .sigmoid: ActivationFunction(kind: activationSigmoid)
    case .hardSigmoid(let slope, let offset):
      ActivationFunction(kind: activationHardSigmoid, slope: slope, offset: offset)
    case .tanh: ActivationFunction(kind: activationTanh)
    case .swish: ActivationFunction(kind: activationSwish)
    case .gelu(let approximate):
      ActivationFunction(kind: approximate ? activationGeluTanh : activationGelu)
    }
  }

  /// None for the value itself.
  var operations: [any Operation] {
    self == .linear ? [] : [ActivationOperation(activation: self)]
  }
}

/// Keras's `Activation`, and its layers for one alone: `ReLU`, `LeakyReLU`, `Softmax`.
package struct ActivationLayer: Layer {
  package var kerasName: String { "activation" }
  /// What is done to each number.
  package var activation: Activation

  package init(_ activation: Activation) { self.activation = activation }

  package func applied(
    to inputs: [Shape], name: String
  ) throws -> (output: Shape, tensors: [ParameterLayout.Tensor]) { (inputs[0], []) }

  package var operations: [any Operation] { [ActivationOperation(activation: activation)] }
}

/// Computes an activation that no stage before it has taken over.
struct ActivationOperation: Operation {
  let activation: Activation

  func output(of inputs: [Shape]) -> Shape { inputs[0] }
  func needed(of input: Shape, for output: Extent) -> Extent { output }
  func stage(_ plan: StagePlan) -> any Stage {
    activation == .softmax ? SoftmaxStage(plan) : ActivationStage(plan, activation)
  }
}

extension Operation {
  /// Whether it is a softmax; that of a last layer is computed by the loss.
  var isSoftmax: Bool { (self as? ActivationOperation)?.activation == .softmax }
}

/// An activation alone: a job is a picture.
final class ActivationStage: Stage {
  let output: FeatureMap
  let layers: String
  let multiplyAdds = 0
  let backwardMultiplyAdds = 0

  private let input: FeatureMap
  private let function: ActivationFunction?

  init(_ plan: StagePlan, _ activation: Activation) {
    layers = plan.layers
    (input, output) = (plan.input, plan.output)
    function = activation.function
  }

  func forward(_ step: StepContext) {
    step.pool.run(step.batch) { picture, _ in
      forEachRow(of: picture, input, output) { read, write, count in
        guard let function else {
          return (output.values + write).update(from: input.values + read, count: count)
        }
        step.kernels.activate(
          function, input: input.values + read, output: output.values + write, count: count)
      }
      output.clearPadding(of: picture)
    }
  }

  func backward(_ step: StepContext) {
    step.pool.run(step.batch) { picture, _ in
      forEachRow(of: picture, input, output) { read, write, count in
        guard let function else {
          return (input.gradient + read).update(from: output.gradient + write, count: count)
        }
        step.kernels.activationGradient(
          function, input: input.values + read, output: output.values + write,
          gradient: output.gradient + write, target: input.gradient + read, count: count)
      }
    }
  }
}
