import KernelInterface

/// Which element of each pooling window was the largest, for a batch: the kernels' code words.
struct PoolingCodes {
  private let words: UnsafeMutablePointer<Int32>
  private let rowStride: Int
  private let pictureStride: Int
  private let channels: Int
  /// Windows whose codes share a word.
  let perWord: Int

  /// Codes of the windows that `output` was pooled from, of `size` x `size` elements.
  init(_ output: FeatureMap, size: Int, batch: Int, memory: PlanMemory) {
    perWord = windowsPerWord(size: size)
    channels = output.channelStride
    rowStride = (output.shape.width + perWord - 1) / perWord * output.channelStride
    pictureStride = output.shape.height * rowStride
    words = memory.words(batch * pictureStride)
  }

  /// Those of one row of a picture's windows, from `column` on, a multiple of `perWord`.
  func row(_ row: Int, of picture: Int, from column: Int = 0) -> UnsafeMutablePointer<Int32> {
    words + picture * pictureStride + row * rowStride + column / perWord * channels
  }
}
