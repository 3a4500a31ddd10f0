/// Keras's `Flatten`: a map's numbers in a row, channels innermost.
package struct Flatten: Layer {
  package var kerasName: String { "flatten" }

  package init() {}

  package func applied(
    to inputs: [Shape], name: String
  ) throws -> (output: Shape, tensors: [ParameterLayout.Tensor]) {
    (Shape(units: inputs[0].count), [])
  }

  package var operations: [any Operation] { [FlattenOperation()] }
}

extension Layer where Self == Flatten {
  /// Keras's `Flatten`.
  package static var flatten: Flatten { Flatten() }
}

/// Leaves a map as it lies, where that has no padding; the plan makes a `FlattenStage` of it where
/// it has.
struct FlattenOperation: Operation {
  func output(of inputs: [Shape]) -> Shape { Shape(units: inputs[0].count) }
  var readsFlat: Bool { true }
  func stage(_ plan: StagePlan) -> any Stage { FlattenStage(plan) }
}

/// Leaves out a map's padding, so that a dense layer finds Keras's order.
final class FlattenStage: Stage {
  let output: FeatureMap
  let layers: String
  let multiplyAdds = 0
  let backwardMultiplyAdds = 0

  private let input: FeatureMap

  init(_ plan: StagePlan) {
    layers = plan.layers
    (input, output) = (plan.input, plan.output)
  }

  func forward(_ step: StepContext) {
    forEachRow(step) { read, write, width, channels in
      step.kernels.copyRows(
        input.values + read, sourceRow: input.channelStride, target: output.values + write,
        targetRow: channels, rows: width, width: channels)
    }
  }

  func backward(_ step: StepContext) {
    forEachRow(step) { read, write, width, channels in
      step.kernels.copyRows(
        output.gradient + write, sourceRow: channels, target: input.gradient + read,
        targetRow: input.channelStride, rows: width, width: channels)
    }
  }

  /// Calls `body` with where each row begins in the input's map and in the output.
  private func forEachRow(
    _ step: StepContext,
    _ body: (_ read: Int, _ write: Int, _ width: Int, _ channels: Int) -> Void
  ) {
    let shape = input.shape
    for picture in 0..<step.batch {
      for row in 0..<shape.height {
        body(
          picture * input.pictureStride + row * input.rowStride,
          picture * output.pictureStride + row * shape.width * shape.channels, shape.width,
          shape.channels)
      }
    }
  }
}
