import CZlib
import Foundation

/// The CRC-32 of a member of a zip file.
package struct ZipChecksum {
  private var sum = crc32(0, nil, 0)

  /// Of no bytes.
  package init() {}

  /// What it comes to so far.
  package var value: Int { Int(sum) }

  /// Adds bytes.
  package mutating func update(_ bytes: some ContiguousBytes) {
    bytes.withUnsafeBytes { bytes in
      // zlib counts in 32 bits.
      for start in stride(from: 0, to: bytes.count, by: 1 << 30) {
        let piece = bytes[start..<min(start + 1 << 30, bytes.count)]
        let rebased = UnsafeRawBufferPointer(rebasing: piece)
        sum = crc32(sum, rebased.bindMemory(to: Bytef.self).baseAddress, uInt(rebased.count))
      }
    }
  }
}
