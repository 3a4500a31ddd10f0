// A file of HDF5, open for reading: its superblock, and the pieces of it that were read.
//
// The format is described in the HDF5 File Format Specification, version 3, of The HDF Group.

import Primitives

/// A file of HDF5 as Keras writes it, open for reading.
///
/// Nothing in it is believed: every place and length is checked against the file's size before it
/// is used, every walk ends, and no more memory is taken than the file's size justifies. Used from
/// one thread.
package final class HDF5File {
  /// The first eight bytes of every file of HDF5.
  static let signature: [UInt8] = [0x89, 0x48, 0x44, 0x46, 0x0D, 0x0A, 0x1A, 0x0A]
  /// The most bytes that one structure may have, numbers aside.
  private static let mostInStructure = 16 << 20
  /// The most bytes of structures that are read of one file: who needs more goes in circles.
  private static let mostInStructures = 64 << 20
  /// What reading one structure counts for at least.
  private static let leastInStructure = 256
  /// The most bytes of strings that are read of one file: many may be the same bytes of the file.
  static let mostText = 16 << 20
  /// Bytes that every file may take, however small it is.
  private static let allowance = 128 << 20

  let source: HDF5Source
  private var readInStructures = 0
  private var inflated = 0
  private var text = 0
  private var objects: [Int: HDF5Object] = [:]
  private var heaps: [Int: [Int: ArraySlice<UInt8>]] = [:]
  private var rootAddress = 0

  /// The file, as it was named.
  package var path: String { source.path }

  /// Reads the superblock of `source`.
  /// - Throws: `HDF5Error` where it is no HDF5, cut short, or of a kind that Keras does not write.
  package init(_ source: HDF5Source) throws {
    self.source = source
    let start = try source.bytes(at: 0, count: min(source.size, 96))
    guard start.starts(with: Self.signature) else {
      throw HDF5Error(
        source.path, "", "not a model file: a Keras model (.h5 or .keras) was expected")
    }
    do {
      rootAddress = try readSuperblock(HDF5Cursor(start, "its superblock"))
    } catch let problem as HDF5Problem {
      throw HDF5Error(source.path, "", problem.what)
    }
  }

  /// Reads the superblock of a plain file.
  /// - Throws: as for any bytes.
  package convenience init(_ file: PlainFile) throws { try self.init(HDF5Source(file)) }

  /// The root group.
  /// - Throws: `HDF5Error` where it is damaged.
  package var root: HDF5Group {
    get throws { try HDF5Group(in: self, name: "", at: rootAddress) }
  }

  /// Whether so many bytes of numbers may come out of a file of this size: halves and bytes take
  /// more as floats than in the file, and compressed numbers are believed up to a bound.
  func justifies(bytes: Int) -> Bool {
    bytes <= Self.allowance + 4 * min(source.size, Int.max / 8)
  }

  /// - Returns: where the root group is.
  private func readSuperblock(_ start: HDF5Cursor) throws -> Int {
    var cursor = start
    try cursor.skip(Self.signature.count)
    let version = try cursor.byte()
    switch version {
    case 0, 1:
      try cursor.skip(4)
      try checkSizes(&cursor)
      // A reserved byte, how large groups' trees are, and flags that say nothing.
      try cursor.skip(version == 0 ? 9 : 13)
      try checkStart(&cursor)
      _ = try cursor.address()
      try checkEnd(&cursor)
      guard try cursor.address() == nil else {
        throw HDF5Problem.refused("a file that is split into several")
      }
      _ = try cursor.address()
      return try cursor.place()
    case 2, 3:
      try checkSizes(&cursor)
      try cursor.skip(1)
      try checkStart(&cursor)
      _ = try cursor.address()
      try checkEnd(&cursor)
      let root = try cursor.place()
      var whole = try structure(at: 0, count: 48, cursor.name)
      try whole.checkAndDropChecksum()
      return root
    default: throw HDF5Problem.refused("HDF5 with superblock \(version)")
    }
  }

  private func checkSizes(_ cursor: inout HDF5Cursor) throws {
    let (offsets, lengths) = (try cursor.byte(), try cursor.byte())
    guard offsets == 8, lengths == 8 else {
      throw HDF5Problem.refused("HDF5 with addresses of \(offsets) and \(lengths) bytes")
    }
  }

  private func checkStart(_ cursor: inout HDF5Cursor) throws {
    guard try cursor.address() == 0 else {
      throw HDF5Problem.refused("HDF5 behind bytes of another program")
    }
  }

  private func checkEnd(_ cursor: inout HDF5Cursor) throws {
    let end = try cursor.place()
    guard end <= source.size else {
      throw HDF5Problem.damaged("it has \(source.size) bytes, and should have \(end)")
    }
  }

  // MARK: What the readers of structures use

  /// The `count` bytes at `address`.
  /// - Parameter name: what they are, for errors.
  /// - Throws: `HDF5Problem` where the file does not have them, and for a walk in circles.
  func structure(at address: Int, count: Int, _ name: String) throws -> HDF5Cursor {
    guard address >= 0, count >= 0, address <= source.size, count <= source.size - address else {
      throw HDF5Problem.damaged("\(name) reaches past the end of the file")
    }
    readInStructures += max(count, Self.leastInStructure)
    guard count <= Self.mostInStructure, readInStructures <= Self.mostInStructures else {
      throw HDF5Problem.damaged("\(name) is too large, or refers to itself")
    }
    return HDF5Cursor(try source.bytes(at: address, count: count), name)
  }

  /// At most `count` bytes at `address`: fewer where the file ends before.
  func structure(at address: Int, upTo count: Int, _ name: String) throws -> HDF5Cursor {
    let rest = max(0, source.size - max(0, address))
    return try structure(at: address, count: min(count, rest), name)
  }

  /// The `count` bytes of numbers at `address`.
  /// - Throws: `HDF5Problem` where the file does not have them.
  func numbers(at address: Int, count: Int) throws -> [UInt8] {
    try checkNumbers(at: address, count: count)
    return try source.bytes(at: address, count: count)
  }

  /// Checks that the file has `count` bytes at `address`.
  func checkNumbers(at address: Int, count: Int) throws {
    guard address >= 0, address <= source.size, count <= source.size - address else {
      throw HDF5Problem.damaged("its numbers reach past the end of the file")
    }
  }

  /// Counts bytes of strings.
  /// - Throws: `HDF5Problem` where they are more than a model has.
  func willRead(text bytes: Int) throws {
    text += bytes
    guard text <= Self.mostText else {
      throw HDF5Problem.damaged("its strings have more than \(Self.mostText) bytes")
    }
  }

  /// Counts bytes that come out of a compressed chunk.
  /// - Throws: `HDF5Problem` where they are more than the file's size justifies.
  func willInflate(_ bytes: Int) throws {
    guard justifies(bytes: bytes), justifies(bytes: inflated / 2 + bytes) else {
      throw HDF5Problem.damaged("its chunks are too large for a file of \(source.size) bytes")
    }
    inflated += bytes
  }

  /// The object whose header is at `address`.
  func object(at address: Int) throws -> HDF5Object {
    if let object = objects[address] { return object }
    let object = HDF5Object(messages: try HDF5ObjectHeader.messages(of: self, at: address))
    objects[address] = object
    return object
  }

  /// The objects of the global heap's collection at `address`, by index.
  func heap(at address: Int) throws -> [Int: ArraySlice<UInt8>] {
    if let heap = heaps[address] { return heap }
    let heap = try HDF5GlobalHeap.objects(of: self, at: address)
    heaps[address] = heap
    return heap
  }
}
