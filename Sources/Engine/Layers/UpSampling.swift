import KernelInterface

/// Keras's `UpSampling2D` by the nearest neighbour: each position becomes a block of equal ones.
package struct UpSampling: Layer {
  package var kerasName: String { "up_sampling2d" }
  /// Rows and columns of a block.
  package var size: (height: Int, width: Int)

  package init(size: (height: Int, width: Int)) { self.size = size }

  package func applied(
    to inputs: [Shape], name: String
  ) throws -> (output: Shape, tensors: [ParameterLayout.Tensor]) {
    guard !inputs[0].isFlat else { throw ArchitectureError("a flat layer has no rows to repeat") }
    guard (1...4096).contains(size.height), (1...4096).contains(size.width) else {
      throw ArchitectureError("blocks of \(size.height) x \(size.width): a side is 1 to 4096")
    }
    return (UpSamplingOperation(size: size).output(of: inputs), [])
  }

  package var operations: [any Operation] { [UpSamplingOperation(size: size)] }

  package static func == (a: Self, b: Self) -> Bool { a.size == b.size }

  package func hash(into hasher: inout Hasher) {
    hasher.combine(size.height)
    hasher.combine(size.width)
  }
}

struct UpSamplingOperation: Operation {
  let size: (height: Int, width: Int)

  func output(of inputs: [Shape]) -> Shape {
    var shape = inputs[0]
    shape.height *= size.height
    shape.width *= size.width
    return shape
  }

  func stage(_ plan: StagePlan) -> any Stage { UpSamplingStage(plan, size) }
}

/// Repeats positions; backward, the sum of a block's gradients, row by row: a job is a picture.
final class UpSamplingStage: Stage {
  let output: FeatureMap
  let layers: String
  let multiplyAdds = 0
  let backwardMultiplyAdds = 0

  private let input: FeatureMap
  private let size: (height: Int, width: Int)

  init(_ plan: StagePlan, _ size: (height: Int, width: Int)) {
    layers = plan.layers
    (input, output) = (plan.input, plan.output)
    self.size = size
  }

  func forward(_ step: StepContext) {
    forEachPair(step) { read, write, _ in
      (output.values + write).update(from: input.values + read, count: input.channelStride)
    }
  }

  func backward(_ step: StepContext) {
    forEachPair(step) { read, write, isFirst in
      let target = input.gradient + read
      if isFirst {
        target.update(from: output.gradient + write, count: input.channelStride)
      } else {
        step.kernels.sum(
          Source(target), output.gradient + write, target: target, count: input.channelStride)
      }
    }
  }

  /// Calls `body` with each position of the output, where it is of the input's, and whether it is
  /// that one's first.
  private func forEachPair(
    _ step: StepContext, _ body: (_ read: Int, _ write: Int, _ isFirst: Bool) -> Void
  ) {
    step.pool.run(step.batch) { picture, _ in
      for row in 0..<output.shape.height {
        for column in 0..<output.shape.width {
          body(
            input.place(picture, row / size.height, column / size.width),
            output.place(picture, row, column),
            row % size.height == 0 && column % size.width == 0)
        }
      }
    }
  }
}
