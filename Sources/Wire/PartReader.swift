/// Reads an encoded part from its beginning to its end; no length that it holds leads outside.
struct PartReader {
  private let bytes: UnsafeRawBufferPointer
  private var offset = 0

  init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

  /// The bytes that are still to be read.
  var remaining: Int { bytes.count - offset }

  /// The next byte.
  mutating func byte() throws(WireError) -> UInt8 { try take(1)[0] }

  /// The next two bytes as a number, little-endian.
  mutating func count() throws(WireError) -> Int {
    let two = try take(2)
    return Int(two[0]) | Int(two[1]) << 8
  }

  /// The next `count` bytes, where they lie.
  mutating func take(_ count: Int) throws(WireError) -> UnsafeRawBufferPointer {
    guard count <= remaining else {
      throw WireError("received a part that ends \(count - remaining) bytes too early")
    }
    defer { offset += count }
    return UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + count])
  }

  /// Checks that nothing is left.
  func finish() throws(WireError) {
    guard remaining == 0 else {
      throw WireError("received a part with \(remaining) bytes too many")
    }
  }
}
