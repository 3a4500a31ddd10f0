import Foundation

/// A message of Protocol Buffers that is being made: fields one after the other, as
/// https://protobuf.dev/programming-guides/encoding has them.
struct Protobuf {
  private(set) var bytes = Data()

  /// A number.
  mutating func append(_ field: Int, _ value: Int) {
    appendTag(field, kind: 0)
    appendNumber(UInt64(bitPattern: Int64(value)))
  }

  /// A 32-bit float.
  mutating func append(_ field: Int, _ value: Float) {
    appendTag(field, kind: 5)
    withUnsafeBytes(of: value.bitPattern.littleEndian) { bytes.append(contentsOf: $0) }
  }

  /// A text.
  mutating func append(_ field: Int, _ text: String) { append(field, Data(text.utf8)) }

  /// A message in this one.
  mutating func append(_ field: Int, _ message: Protobuf) { append(field, message.bytes) }

  /// Bytes.
  mutating func append(_ field: Int, _ data: Data) {
    appendTag(field, kind: 2)
    appendNumber(UInt64(data.count))
    bytes.append(data)
  }

  private mutating func appendTag(_ field: Int, kind: Int) {
    appendNumber(UInt64(field << 3 | kind))
  }

  /// Seven bits a byte, the lowest first; the eighth says that more follow.
  private mutating func appendNumber(_ number: UInt64) {
    var rest = number
    while rest > 0x7F {
      bytes.append(UInt8(rest & 0x7F | 0x80))
      rest >>= 7
    }
    bytes.append(UInt8(rest))
  }
}
