import KernelInterface

/// Keras's `MaxPooling2D` with windows of `size` x `size`, stride `size`, padding valid.
package struct MaxPooling: Layer {
  package static let kerasName = "max_pooling2d"
  /// Rows, and columns, of a window.
  package var size: Int

  package init(size: Int) { self.size = size }

  package func applied(
    to inputs: [Shape], name: String
  ) throws -> (output: Shape, tensors: [ParameterLayout.Tensor]) {
    let shape = inputs[0]
    guard !shape.isFlat, shape.height >= size, shape.width >= size else {
      throw ArchitectureError("pooling by \(size) does not fit on its input \(shape)")
    }
    guard (1...poolSizeMax).contains(size) else {
      throw ArchitectureError("pooling by \(size); it must be 1 to \(poolSizeMax)")
    }
    return (MaxPoolingOperation(size: size).output(of: inputs), [])
  }

  package var operations: [any Operation] { [MaxPoolingOperation(size: size)] }
}

extension Layer where Self == MaxPooling {
  /// Keras's `MaxPooling2D` with windows of `size` x `size`.
  package static func maxPooling(size: Int) -> MaxPooling { MaxPooling(size: size) }
}

/// Max pooling by squares that do not overlap.
struct MaxPoolingOperation: Operation {
  let size: Int

  func output(of inputs: [Shape]) -> Shape {
    let input = inputs[0]
    return Shape(
      height: input.height / size, width: input.width / size, channels: input.channels)
  }

  func needed(of input: Shape, for output: Extent) -> Extent {
    Extent(height: output.height * size, width: output.width * size)
  }

  func stage(_ plan: StagePlan) -> any Stage { PoolingStage(plan, size: size) }
}

/// Max pooling that does not follow a convolution directly.
final class PoolingStage: Stage {
  let output: FeatureMap
  let layers: String
  let multiplyAdds = 0
  let backwardMultiplyAdds = 0

  private let size: Int
  private let input: FeatureMap
  private let codes: PoolingCodes
  private let zeroBias: Target
  /// Where the kernel's sums go, for each thread: there is no bias that wants them.
  private let ignored: Target

  init(_ plan: StagePlan, size: Int) {
    layers = plan.layers
    self.size = size
    (input, output) = (plan.input, plan.output)
    codes = PoolingCodes(output, size: size, batch: plan.batch, memory: plan.memory)
    zeroBias = plan.memory.floats(output.channelStride)
    ignored = plan.memory.floats(plan.threads * output.channelStride)
  }

  /// One row of the output.
  private var windows: WindowRow {
    WindowRow(size: size, positions: output.shape.width, channels: output.channelStride)
  }

  func forward(_ step: StepContext) {
    step.pool.run(step.batch) { picture, _ in
      for row in 0..<output.shape.height {
        let at = picture * output.pictureStride + row * output.rowStride
        step.kernels.poolRows(
          windows,
          rows: input.values + picture * input.pictureStride + row * size * input.rowStride,
          rowStride: input.rowStride, bias: zeroBias, relu: false, pooled: output.values + at,
          codes: codes.row(row, of: picture))
      }
    }
  }

  /// Rows and columns of the input that no window covers keep the gradient zero.
  func backward(_ step: StepContext) {
    step.pool.run(step.batch) { picture, thread in
      for row in 0..<output.shape.height {
        let at = picture * output.pictureStride + row * output.rowStride
        step.kernels.unpoolRow(
          windows, gradient: output.gradient + at, codes: codes.row(row, of: picture),
          rows: input.gradient + picture * input.pictureStride + row * size * input.rowStride,
          strides: Strides(row: input.rowStride, position: input.channelStride),
          sums: ignored + thread * output.channelStride)
      }
    }
  }
}
