import KernelInterface

/// Keras's `Dense`; its kernel is [in, out].
package struct Dense: Layer {
  package var kerasName: String { "dense" }
  /// Outputs.
  package var units: Int
  /// What is done to each output.
  package var activation: Activation
  /// Whether each output has a number of its own that is added.
  package var usesBias = true

  package init(units: Int, activation: Activation) {
    (self.units, self.activation) = (units, activation)
  }

  package func applied(
    to inputs: [Shape], name: String
  ) throws -> (output: Shape, tensors: [ParameterLayout.Tensor]) {
    let shape = inputs[0]
    guard shape.isFlat else {
      throw ArchitectureError("a dense layer needs a flat input: put Flatten before it")
    }
    guard units > 0 else { throw ArchitectureError("a dense layer needs units") }
    let kernel = ParameterLayout.Tensor(
      layer: name, kind: .kernel, shape: [shape.channels, units], fanIn: shape.channels,
      fanOut: units)
    return (Shape(units: units), [kernel] + (usesBias ? [.bias(of: name, units)] : []))
  }

  package var operations: [any Operation] {
    [DenseOperation(units: units)] + activation.operations
  }
}

extension Layer where Self == Dense {
  /// A classifier: one sigmoid for two classes, a softmax with a unit for each of more.
  package static func head(classes: Int) -> Dense {
    classes > 2
      ? Dense(units: classes, activation: .softmax) : Dense(units: 1, activation: .sigmoid)
  }

  /// Keras's `Dense`.
  package static func dense(units: Int, activation: Activation) -> Dense {
    Dense(units: units, activation: activation)
  }
}

/// A product with a dense layer's kernel, with the relu that follows it.
struct DenseOperation: Operation {
  let units: Int
  var relu = false

  func output(of inputs: [Shape]) -> Shape { Shape(units: units) }
  var readsFlat: Bool { true }

  func absorbing(_ next: any Operation) -> (any Operation)? {
    guard !relu, let next = next as? ActivationOperation, next.activation == .relu else {
      return nil
    }
    var both = self
    both.relu = true
    return both
  }

  func stage(_ plan: StagePlan) -> any Stage { DenseStage(plan, units: units, relu: relu) }
}

/// A dense layer with its relu.
///
/// Forward, a job is a block of columns, summed over all inputs. Backward, a job is a block of
/// inputs, whose weights are read once for the input's gradient while their own is written. Where
/// the units are no multiple of 32 it works on padded copies of the weights and their gradient.
final class DenseStage: Stage {
  let output: FeatureMap
  let layers: String
  var multiplyAdds: Int { inputs * units }
  /// Factors of the weights' gradient are multiplied by the update.
  var backwardMultiplyAdds: Int {
    let weights = if case .whole = kernel.gradient { multiplyAdds } else { 0 }
    return weights + (wantsInputGradient ? multiplyAdds : 0)
  }

  private let input: FeatureMap
  private let relu: Bool
  private let kernel: StageTensor
  private let bias: StageTensor?
  /// Pictures that the gradient's factors have room for.
  private let stepSize: Int
  private let wantsInputGradient: Bool
  private let inputs: Int
  private let units: Int
  private let columns: Int
  private let paddedBias: Target
  private let biasGradient: Target
  private let paddedKernel: Target?
  private let paddedGradient: Target?

  // How work is cut; the sums do not depend on it.
  private static let columnsPerJob = 128
  private static let inputsPerJob = 64

  init(_ plan: StagePlan, units: Int, relu: Bool) {
    let memory = plan.memory
    layers = plan.layers
    (input, output) = (plan.input, plan.output)
    self.relu = relu
    self.units = units
    wantsInputGradient = plan.wantsInputGradient
    stepSize = plan.stepSize
    (kernel, bias) = (plan.tensor(.kernel), plan.tensorIfAny(.bias))
    inputs = input.shape.channels
    columns = output.channelStride
    paddedBias = memory.floats(columns)
    biasGradient = memory.floats(columns)
    let needsPadding = columns != units
    paddedKernel = needsPadding ? memory.floats(inputs * columns) : nil
    paddedGradient = needsPadding ? memory.floats(inputs * columns) : nil
  }

  func forward(_ step: StepContext) {
    let kernels = step.kernels
    let weights = step.weights.floats + kernel.weights.offset
    if let paddedKernel {
      kernels.copyRows(
        weights, sourceRow: units, target: paddedKernel, targetRow: columns, rows: inputs,
        width: units)
    }
    if let bias {
      paddedBias.update(from: step.weights.floats + bias.weights.offset, count: units)
    }
    let (size, width) = (size(step), Self.columnsPerJob)
    step.pool.run((columns + width - 1) / width) { job, _ in
      kernels.denseForward(
        size, input: input.values, weights: paddedKernel ?? weights,
        block: job * width..<min((job + 1) * width, columns), output: output.values)
    }
    kernels.addBias(
      paddedBias, to: output.values, positions: step.batch, channels: columns,
      relu: relu)
  }

  private func size(_ step: StepContext) -> DenseSize {
    DenseSize(batch: step.batch, inputs: inputs, columns: columns)
  }

  func backward(_ step: StepContext) {
    guard let gradient = step.gradient else { return }
    let kernels = step.kernels
    biasGradient.update(repeating: 0, count: columns)
    kernels.copyGradient(
      output.gradient, values: output.values, relu: relu, positions: step.batch,
      channels: columns, target: output.gradient, targetPosition: columns, sums: biasGradient)
    if let bias {
      bias.target(in: gradient).update(from: biasGradient, count: units)
    }

    switch kernel.gradient {
    case .factors(let inputFactor, let outputFactor):
      copyFactors(
        step, gradient.floats + inputFactor, gradient.floats + outputFactor)
      inputGradient(step, weightGradient: nil)
    case .whole(let offset):
      inputGradient(step, weightGradient: paddedGradient ?? gradient.floats + offset)
      if let paddedGradient {
        kernels.copyRows(
          paddedGradient, sourceRow: columns, target: gradient.floats + offset, targetRow: units,
          rows: inputs, width: units)
      }
    case nil: inputGradient(step, weightGradient: nil)
    }
  }

  /// The factors of the kernel's gradient; rows beyond the batch become zero, so that a gradient
  /// has one digest.
  private func copyFactors(_ step: StepContext, _ inputFactor: Target, _ outputFactor: Target) {
    for (target, source, width) in [
      (inputFactor, input.values, inputs), (outputFactor, output.gradient, columns),
    ] {
      target.update(from: source, count: step.batch * width)
      (target + step.batch * width).update(repeating: 0, count: (stepSize - step.batch) * width)
    }
  }

  /// The input's gradient, and the kernel's where that is wanted.
  private func inputGradient(_ step: StepContext, weightGradient: Target?) {
    let weights = paddedKernel ?? step.weights.floats + kernel.weights.offset
    let (size, most) = (size(step), Self.inputsPerJob)
    step.pool.run((inputs + most - 1) / most) { job, _ in
      let rows = job * most..<min((job + 1) * most, inputs)
      if wantsInputGradient {
        step.kernels.denseInputGradient(
          size, outputGradient: output.gradient, weights: weights, rows: rows,
          inputGradient: input.gradient)
      }
      if let weightGradient {
        step.kernels.denseWeightGradient(
          size, input: input.values + rows.lowerBound, outputGradient: output.gradient,
          rows: rows.count, width: columns, gradient: weightGradient + rows.lowerBound * columns,
          gradientRow: columns)
      }
    }
  }
}
