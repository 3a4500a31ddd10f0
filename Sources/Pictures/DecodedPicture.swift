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
  public convenience init(
    height: Int, width: Int, fill: (UnsafeMutableBufferPointer<UInt8>) throws -> Void
  ) rethrows {
    let count = height * width * 3
    guard let memory = calloc(max(count, 1), 1) else { fatalError("out of memory") }
    let pixels = memory.assumingMemoryBound(to: UInt8.self)
    do {
      try fill(UnsafeMutableBufferPointer(start: pixels, count: count))
    } catch {
      free(memory)
      throw error
    }
    self.init(height: height, width: width, adopting: pixels)
  }

  deinit { free(UnsafeMutableRawPointer(bitPattern: storage)) }

  /// The bytes as an array, for tests and small jobs.
  public var array: [UInt8] { Array(UnsafeBufferPointer(start: bytes, count: count)) }
}
