import Foundation

/// The pixels of one picture: RGB bytes, height x width x 3, rows from the top.
public final class DecodedPicture: Sendable {
  /// Rows.
  public let height: Int
  /// Columns.
  public let width: Int
  private let storage: UInt  // An address: pointers are not Sendable, and nobody writes any more.

  /// The first byte; the address is stable and valid while the object lives.
  public var bytes: UnsafePointer<UInt8> { UnsafePointer(bitPattern: storage)! }

  /// How many bytes there are: height x width x 3.
  public var count: Int { height * width * 3 }

  /// Takes over `pixels`, which malloc allocated, and frees it in the end.
  init(height: Int, width: Int, adopting pixels: UnsafeMutablePointer<UInt8>) {
    (self.height, self.width) = (height, width)
    storage = UInt(bitPattern: pixels)
  }

  /// A picture whose pixels `fill` writes, from zeros.
  /// - Throws: `PictureError` without a path where there is no memory for it.
  public convenience init(
    height: Int, width: Int, fill: (UnsafeMutableBufferPointer<UInt8>) -> Void
  ) throws(PictureError) {
    let count = height * width * 3
    guard let memory = calloc(max(count, 1), 1) else {
      throw PictureError("\(width)x\(height) pixels: not enough memory to resize it")
    }
    let pixels = memory.assumingMemoryBound(to: UInt8.self)
    fill(UnsafeMutableBufferPointer(start: pixels, count: count))
    self.init(height: height, width: width, adopting: pixels)
  }

  deinit { free(UnsafeMutableRawPointer(bitPattern: storage)) }
}
