import Kernels

/// Which element of each pooling window was the largest, for a batch: the kernels' code words.
///
/// A class, so that its memory goes with its owner.
final class PoolingCodes {
  private let words: UnsafeMutablePointer<Int32>
  private let rowStride: Int
  private let pictureStride: Int

  /// Codes of the windows that `output` was pooled from, of `size` x `size` elements.
  init(_ output: FeatureMap, size: Int, batch: Int) {
    let perWord = windowsPerWord(size: size)
    rowStride = (output.shape.width + perWord - 1) / perWord * output.channelStride
    pictureStride = output.shape.height * rowStride
    words = .allocate(capacity: batch * pictureStride)
    words.initialize(repeating: 0, count: batch * pictureStride)
  }

  deinit { words.deallocate() }

  /// Those of one row of a picture's windows.
  func row(_ row: Int, of picture: Int) -> UnsafeMutablePointer<Int32> {
    words + picture * pictureStride + row * rowStride
  }
}
