import Foundation

/// Makes a zip file in memory, of members that are stored as they are.
package struct ZipWriter {
  private var bytes = Data()
  private var directory = Data()
  private var count = 0

  /// - Parameter capacity: about how many bytes it will have.
  package init(capacity: Int) { bytes.reserveCapacity(capacity + 1 << 12) }

  /// Appends a member.
  /// - Returns: whether the form of zip that has no more than 4 GiB can hold it.
  package mutating func append(_ content: Data, as name: String) -> Bool {
    let name = Data(name.utf8)
    let start = bytes.count
    guard content.count < 0xFFFF_FFFF, start < 0xFFFF_FFFF else { return false }
    var sum = ZipChecksum()
    sum.update(content)
    // The version that reads it, no flags, stored, and the first day that zip knows.
    var fields = Data()
    for (number, width) in [
      (20, 2), (0, 2), (0, 2), (0, 2), (0x21, 2), (sum.value, 4), (content.count, 4),
      (content.count, 4), (name.count, 2), (0, 2),
    ] { fields.append(number, width: width) }
    bytes.append(0x0403_4B50, width: 4)
    bytes.append(fields)
    bytes.append(name)
    bytes.append(content)
    directory.append(0x0201_4B50, width: 4)
    directory.append(20, width: 2)
    directory.append(fields)
    // No comment, the first disk, no attributes but that its owner writes and all read.
    for (number, width) in [(0, 2), (0, 2), (0, 2), (0o644 << 16, 4), (start, 4)] {
      directory.append(number, width: width)
    }
    directory.append(name)
    count += 1
    return true
  }

  /// The file; nil where it is too large for this form of zip.
  package consuming func finished() -> Data? {
    let start = bytes.count
    guard start < 0xFFFF_FFFF else { return nil }
    bytes.append(directory)
    bytes.append(0x0605_4B50, width: 4)
    for (number, width) in [
      (0, 2), (0, 2), (count, 2), (count, 2), (directory.count, 4), (start, 4), (0, 2),
    ] { bytes.append(number, width: width) }
    return bytes
  }
}

extension Data {
  /// A number in so many bytes, little-endian.
  fileprivate mutating func append(_ number: Int, width: Int) {
    for index in 0..<width { append(UInt8(truncatingIfNeeded: number >> (8 * index))) }
  }
}
