import CLZ4
import NIOCore

/// A run of bytes in the form that makes it smallest: a plane of a part's floats, or a mask.
///
/// Its first byte is the form. How many bytes it stands for is known to whoever reads it.
enum BytePlane {
  private enum Form: UInt8 {
    /// The bytes.
    case stored
    /// The length of an LZ4 block in two bytes, and the block.
    case block
    /// What `PackedPlane` makes.
    case packed
  }

  /// Of a longer plane, so many bytes show whether LZ4 makes it smaller.
  private static let sample = 1024

  /// Appends `plane`, at most 65,535 bytes.
  /// - Parameter mayPack: whether its bytes may be a few numbers of the same size, as exponents
  ///   are, though no sequence of them comes again.
  static func encode(
    _ plane: UnsafeRawBufferPointer, mayPack: Bool, into bytes: inout ByteBuffer
  ) {
    let packing = mayPack ? PackedPlane(for: plane) : nil
    let limit = min(plane.count, packing?.expectedBytes ?? .max)
    let start = bytes.writerIndex
    bytes.writeInteger(Form.block.rawValue)
    if promises(plane, fewerThan: limit), writeBlock(plane, fewerThan: limit, into: &bytes) {
      return
    }
    if let packing {
      bytes.moveWriterIndex(to: start)
      bytes.writeInteger(Form.packed.rawValue)
      packing.write(plane, into: &bytes)
      // What was expected of a sample need not be so.
      if bytes.writerIndex - start <= plane.count { return }
    }
    bytes.moveWriterIndex(to: start)
    bytes.writeInteger(Form.stored.rawValue)
    bytes.writeBytes(plane)
  }

  /// Bytes of room that a plane of `count` bytes is decoded in.
  static func decodingRoom(_ count: Int) -> Int { PackedPlane.codes(count) }

  /// Reads a plane of `count` bytes.
  /// - Parameter room: `decodingRoom` bytes for those that are not there as they are.
  /// - Returns: where the bytes are.
  static func decode(
    _ reader: inout PartReader, count: Int, room: UnsafeMutableRawPointer
  ) throws(WireError) -> UnsafeRawPointer {
    let raw = try reader.byte()
    switch Form(rawValue: raw) {
    case .stored:
      let plane = try reader.take(count)
      return plane.baseAddress ?? UnsafeRawPointer(room)
    case .block:
      let block = try reader.take(reader.count())
      let written = LZ4_decompress_safe(
        block.baseAddress?.assumingMemoryBound(to: CChar.self),
        room.assumingMemoryBound(to: CChar.self), Int32(block.count), Int32(count))
      guard written == count else {
        throw WireError("received a part with a damaged LZ4 block")
      }
    case .packed:
      try PackedPlane.read(&reader, count: count, into: room)
    case nil:
      throw WireError("received a part with a plane of unknown form \(raw)")
    }
    return UnsafeRawPointer(room)
  }

  /// Whether LZ4 seems to make fewer bytes of it: it takes several times as long as all else.
  private static func promises(_ plane: UnsafeRawBufferPointer, fewerThan limit: Int) -> Bool {
    guard plane.count > 2 * sample else { return true }
    let middle = plane.count / 2
    return withUnsafeTemporaryAllocation(byteCount: sample, alignment: 1) { target in
      compress(
        UnsafeRawBufferPointer(rebasing: plane[middle..<middle + sample]),
        into: UnsafeMutableRawBufferPointer(
          rebasing: target[..<min(sample, limit * sample / plane.count)])) > 0
    }
  }

  /// Appends an LZ4 block and its length.
  /// - Returns: false where that takes `limit` bytes or more.
  private static func writeBlock(
    _ plane: UnsafeRawBufferPointer, fewerThan limit: Int, into bytes: inout ByteBuffer
  ) -> Bool {
    guard limit > 3 else { return false }
    let start = bytes.writerIndex
    bytes.writeInteger(0 as UInt16)
    let length = bytes.writeWithUnsafeMutableBytes(minimumWritableBytes: limit - 3) { target in
      compress(plane, into: UnsafeMutableRawBufferPointer(rebasing: target[..<(limit - 3)]))
    }
    bytes.setInteger(UInt16(length), at: start, endianness: .little)
    return length > 0
  }

  /// The length of the LZ4 block of `plane`; 0 where `target` has no room for it.
  private static func compress(
    _ plane: UnsafeRawBufferPointer, into target: UnsafeMutableRawBufferPointer
  ) -> Int {
    guard !plane.isEmpty, !target.isEmpty else { return 0 }
    return Int(
      LZ4_compress_default(
        plane.baseAddress?.assumingMemoryBound(to: CChar.self),
        target.baseAddress?.assumingMemoryBound(to: CChar.self), Int32(plane.count),
        Int32(target.count)))
  }
}
