import KernelInterface

/// Keras's `Concatenate` along the channels.
package struct Concatenation: Layer {
  package var kerasName: String { "concatenate" }
  package static let inputCounts = 2...1000

  /// Keras's number of the dimension that has the channels: 3 of a map, 1 of a flat layer; nil for
  /// the last, whatever it is.
  package var axis: Int?

  package init() {}

  package func applied(
    to inputs: [Shape], name: String
  ) throws -> (output: Shape, tensors: [ParameterLayout.Tensor]) {
    let first = inputs[0]
    try first.check(axis: axis)
    for shape in inputs
    where shape.extent != first.extent || shape.isFlat != first.isFlat {
      throw ArchitectureError("its inputs differ in more than channels: \(first) and \(shape)")
    }
    return (ConcatenationOperation().output(of: inputs), [])
  }

  package var operations: [any Operation] { [ConcatenationOperation()] }
}

struct ConcatenationOperation: Operation {
  func output(of inputs: [Shape]) -> Shape {
    var shape = inputs[0]
    shape.channels = inputs.reduce(0) { $0 + $1.channels }
    return shape
  }

  func needed(of input: Shape, for output: Extent) -> Extent { output }
  func stage(_ plan: StagePlan) -> any Stage { ConcatenationStage(plan) }
}

/// Puts the channels of maps side by side: a job is a picture.
final class ConcatenationStage: Stage {
  let output: FeatureMap
  let layers: String
  let multiplyAdds = 0
  let backwardMultiplyAdds = 0

  private let inputs: [FeatureMap]
  private let wanted: [Bool]

  init(_ plan: StagePlan) {
    layers = plan.layers
    (inputs, output) = (plan.inputs, plan.output)
    wanted = plan.wantsInputGradients
  }

  func forward(_ step: StepContext) {
    forEachPart(step) { input, read, write, _ in
      step.kernels.copyRows(
        input.values + read, sourceRow: input.channelStride, target: output.values + write,
        targetRow: output.channelStride, rows: input.shape.width, width: input.shape.channels)
    }
  }

  func backward(_ step: StepContext) {
    forEachPart(step) { input, read, write, isWanted in
      guard isWanted else { return }
      step.kernels.copyRows(
        output.gradient + write, sourceRow: output.channelStride, target: input.gradient + read,
        targetRow: input.channelStride, rows: input.shape.width, width: input.shape.channels)
    }
  }

  /// Calls `body` with where each row of each input begins, in its map and in the output's.
  private func forEachPart(
    _ step: StepContext,
    _ body: (_ input: FeatureMap, _ read: Int, _ write: Int, _ isWanted: Bool) -> Void
  ) {
    step.pool.run(step.batch) { picture, _ in
      var channel = 0
      for (index, input) in inputs.enumerated() {
        for row in 0..<input.shape.height {
          body(
            input, input.place(picture, row, 0), output.place(picture, row, 0) + channel,
            wanted[index])
        }
        channel += input.shape.channels
      }
    }
  }
}
