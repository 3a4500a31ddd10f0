import Kernels

/// Max pooling that does not follow a convolution directly.
final class PoolingStage: Stage {
  let output: FeatureMap
  let layers: String
  let products = 0
  let backwardProducts = 0

  private let size: Int
  private let input: FeatureMap
  private let codes: PoolingCodes
  private let zeroBias: Target
  /// Where the kernel's sums go, for each thread: there is no bias that wants them.
  private let ignored: Target

  init(
    _ name: String, size: Int, input: FeatureMap, output: FeatureMap, batch: Int, threads: Int,
    memory: PlanMemory
  ) {
    layers = name
    self.size = size
    self.input = input
    self.output = output
    codes = PoolingCodes(output, size: size, batch: batch, memory: memory)
    zeroBias = memory.floats(output.channelStride)
    ignored = memory.floats(threads * output.channelStride)
  }

  func forward(_ step: StepContext) {
    step.pool.run(step.batch) { picture, _ in
      for row in 0..<output.shape.height {
        let at = picture * output.pictureStride + row * output.rowStride
        step.kernels.poolRows(
          input.values + picture * input.pictureStride + row * size * input.rowStride,
          input.rowStride, size, output.shape.width, output.channelStride, zeroBias, false,
          output.values + at, codes.row(row, of: picture))
      }
    }
  }

  /// Rows and columns of the input that no window covers keep the gradient zero.
  func backward(_ step: StepContext) {
    step.pool.run(step.batch) { picture, thread in
      for row in 0..<output.shape.height {
        let at = picture * output.pictureStride + row * output.rowStride
        step.kernels.unpoolRow(
          output.gradient + at, codes.row(row, of: picture), size, output.shape.width,
          output.channelStride,
          input.gradient + picture * input.pictureStride + row * size * input.rowStride,
          input.rowStride, input.channelStride, ignored + thread * output.channelStride)
      }
    }
  }
}
