import Primitives

/// The bytes of a file of HDF5: a plain file, a part of one, or memory.
package struct HDF5Source {
  private enum Place {
    case file(PlainFile, start: Int)
    case memory([UInt8])
  }

  /// The file, and the part of it that this is, as errors name them.
  package let path: String
  /// How many there are.
  package let size: Int
  private let place: Place

  /// All of a file.
  package init(_ file: PlainFile) {
    (path, size, place) = (file.path, file.size, .file(file, start: 0))
  }

  /// A part of a file, which must be in it.
  init(_ file: PlainFile, part: Range<Int>, named path: String) {
    (self.path, size, place) = (path, part.count, .file(file, start: part.lowerBound))
  }

  /// Bytes in memory.
  init(_ bytes: [UInt8], named path: String) {
    (self.path, size, place) = (path, bytes.count, .memory(bytes))
  }

  /// Fills `memory` with the bytes from `offset` on.
  /// - Throws: `FileError` where there are fewer, or the disk fails.
  func read(at offset: Int, into memory: UnsafeMutableRawBufferPointer) throws {
    try check(offset, memory.count)
    switch place {
    case .file(let file, let start): try file.read(at: start + offset, into: memory)
    case .memory(let bytes): memory.copyBytes(from: bytes[offset..<offset + memory.count])
    }
  }

  /// The `count` bytes from `offset` on.
  /// - Throws: `FileError` where there are fewer, or the disk fails.
  func bytes(at offset: Int, count: Int) throws -> [UInt8] {
    try check(offset, count)
    switch place {
    case .file(let file, let start): return try file.bytes(at: start + offset, count: count)
    case .memory(let bytes): return Array(bytes[offset..<offset + count])
    }
  }

  private func check(_ offset: Int, _ count: Int) throws {
    guard offset >= 0, count >= 0, offset <= size, count <= size - offset else {
      throw FileError("\(path): ends early")
    }
  }
}
