import KernelInterface

/// Max pooling by squares that do not overlap, where it does not follow a convolution directly.
final class SquarePoolingStage: Stage {
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
