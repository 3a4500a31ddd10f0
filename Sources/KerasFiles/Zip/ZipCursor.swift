/// Takes little-endian numbers out of bytes of a zip file, and never beyond their end.
struct ZipCursor {
  private let all: [UInt8]
  private var position = 0

  init(_ bytes: [UInt8]) { all = bytes }

  /// The bytes that are left.
  var remaining: Int { all.count - position }

  /// The next `width` bytes as a number; nil where fewer are left.
  mutating func number(_ width: Int) -> Int? {
    guard let bytes = bytes(width) else { return nil }
    return bytes.reversed().reduce(0) { $0 << 8 | Int($1) }
  }

  /// The next `count` bytes; nil where fewer are left.
  mutating func bytes(_ count: Int) -> [UInt8]? {
    guard count <= remaining else { return nil }
    defer { position += count }
    return Array(all[position..<position + count])
  }

  /// Passes over `count` bytes; false where fewer are left.
  mutating func skip(_ count: Int) -> Bool { bytes(count) != nil }
}
