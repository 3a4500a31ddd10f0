import KernelInterface

/// Keras's `ZeroPadding2D` and, with negative numbers, its `Cropping2D`: rows and columns around a
/// map.
package struct Framing: Layer {
  package var kerasName: String { crops ? "cropping2d" : "zero_padding2d" }
  /// Rows of zeros above; negative for rows that are cut off.
  package var top: Int
  /// Likewise below.
  package var bottom: Int
  /// Columns, likewise.
  package var left: Int
  /// Likewise.
  package var right: Int
  /// Whether it cuts off, also where it cuts off nothing.
  package var crops: Bool

  package init(top: Int, bottom: Int, left: Int, right: Int, crops: Bool) {
    (self.top, self.bottom, self.left, self.right) = (top, bottom, left, right)
    self.crops = crops
  }

  package func applied(
    to inputs: [Shape], name: String
  ) throws -> (output: Shape, tensors: [ParameterLayout.Tensor]) {
    guard !inputs[0].isFlat else {
      throw ArchitectureError("rows and columns cannot be added to a flat layer")
    }
    let output = FramingOperation(framing: self).output(of: inputs)
    guard output.height > 0, output.width > 0 else {
      throw ArchitectureError("nothing is left of its input of \(inputs[0])")
    }
    return (output, [])
  }

  package var operations: [any Operation] { [FramingOperation(framing: self)] }
}

struct FramingOperation: Operation {
  let framing: Framing

  func output(of inputs: [Shape]) -> Shape {
    var shape = inputs[0]
    shape.height += framing.top + framing.bottom
    shape.width += framing.left + framing.right
    return shape
  }

  func stage(_ plan: StagePlan) -> any Stage { FramingStage(plan, framing) }
}

/// Copies what both maps have of a picture; the zeros of the output are never written to.
final class FramingStage: Stage {
  let output: FeatureMap
  let layers: String
  let multiplyAdds = 0
  let backwardMultiplyAdds = 0

  private let input: FeatureMap
  private let framing: Framing

  init(_ plan: StagePlan, _ framing: Framing) {
    layers = plan.layers
    (input, output) = (plan.input, plan.output)
    self.framing = framing
  }

  func forward(_ step: StepContext) {
    step.pool.run(step.batch) { picture, _ in
      forEachCommonRow(of: picture) { read, write, count in
        (output.values + write).update(from: input.values + read, count: count)
      }
    }
  }

  func backward(_ step: StepContext) {
    step.pool.run(step.batch) { picture, _ in
      for row in 0..<input.shape.height {
        (input.gradient + input.place(picture, row, 0)).update(
          repeating: 0, count: input.shape.width * input.channelStride)
      }
      forEachCommonRow(of: picture) { read, write, count in
        (input.gradient + read).update(from: output.gradient + write, count: count)
      }
    }
  }

  /// Calls `body` with where each row that both maps have begins in the two, and its floats.
  private func forEachCommonRow(
    of picture: Int, _ body: (_ read: Int, _ write: Int, _ count: Int) -> Void
  ) {
    let rows = max(0, -framing.top)..<min(input.shape.height, output.shape.height - framing.top)
    let columns =
      max(0, -framing.left)..<min(input.shape.width, output.shape.width - framing.left)
    for row in rows {
      body(
        input.place(picture, row, columns.lowerBound),
        output.place(picture, row + framing.top, columns.lowerBound + framing.left),
        columns.count * input.channelStride)
    }
  }
}
