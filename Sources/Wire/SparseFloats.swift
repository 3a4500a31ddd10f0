import NIOCore

/// Floats of which many are zero: a mask with one bit for each, and those that are not.
///
/// Only the zero whose bits are all 0 is left out, not -0. The mask is a `BytePlane`; then come a
/// byte that says whether the floats are planes, and the floats.
enum SparseFloats {
  /// Floats of one word of the mask.
  private static let wordFloats = 64

  private enum Form: UInt8 {
    case plain
    case planes
  }

  /// How many of `count` floats are zeros that can be left out.
  static func zeros(_ floats: UnsafeRawPointer, count: Int) -> Int {
    let words = floats.assumingMemoryBound(to: UInt32.self)
    var (i, kept) = (0, 0 as UInt32)
    while i < count {
      kept &+= min(words[i], 1)
      i &+= 1
    }
    return count - Int(kept)
  }

  /// Appends `count` floats.
  /// - Parameter withPlanes: whether those that are not zero become planes, where that makes them
  ///   smaller.
  static func encode(
    _ floats: UnsafeRawPointer, count: Int, withPlanes: Bool, into bytes: inout ByteBuffer
  ) {
    let words = (count + wordFloats - 1) / wordFloats
    let memory = UnsafeMutableRawPointer.allocate(
      byteCount: 4 * (count + 1) + 8 * words, alignment: 64)
    defer { memory.deallocate() }
    let (mask, values) = (memory, memory + 8 * words)
    let kept = compact(floats, count: count, mask: mask, values: values)
    BytePlane.encode(
      UnsafeRawBufferPointer(start: mask, count: (count + 7) / 8), mayPack: false, into: &bytes)
    let start = bytes.writerIndex
    if withPlanes {
      bytes.writeInteger(Form.planes.rawValue)
      FloatPlanes.encode(values, count: kept, into: &bytes)
      if bytes.writerIndex - start <= 4 * kept { return }
      bytes.moveWriterIndex(to: start)
    }
    bytes.writeInteger(Form.plain.rawValue)
    bytes.writeBytes(UnsafeRawBufferPointer(start: values, count: 4 * kept))
  }

  /// Reads `count` floats.
  static func decode(
    _ reader: inout PartReader, into floats: UnsafeMutableRawPointer, count: Int
  ) throws(WireError) {
    let words = (count + wordFloats - 1) / wordFloats
    let room = max(8 * words, BytePlane.decodingRoom((count + 7) / 8))
    let mask = UnsafeMutableRawPointer.allocate(byteCount: room, alignment: 64)
    defer { mask.deallocate() }
    let kept = try readMask(&reader, count: count, into: mask)
    // The floats that are kept come to the end of the target first, and are spread from its start:
    // none is overwritten before it is read, since no more lie before it than come before it.
    let values = floats + 4 * (count - kept)
    let raw = try reader.byte()
    switch Form(rawValue: raw) {
    case .plain:
      let plain = try reader.take(4 * kept)
      UnsafeMutableRawBufferPointer(start: values, count: plain.count).copyMemory(from: plain)
    case .planes:
      try FloatPlanes.decode(&reader, into: values, count: kept)
    case nil:
      throw WireError("received a part with floats of unknown form \(raw)")
    }
    spread(mask, kept: kept, in: floats, count: count)
  }

  /// Sets the words of `mask`, and moves the floats that are not zero together.
  /// - Parameter values: room for one float more than there are.
  /// - Returns: how many are not zero.
  private static func compact(
    _ floats: UnsafeRawPointer, count: Int, mask: UnsafeMutableRawPointer,
    values: UnsafeMutableRawPointer
  ) -> Int {
    let words = floats.assumingMemoryBound(to: UInt32.self)
    let target = values.assumingMemoryBound(to: UInt32.self)
    var (first, kept) = (0, 0)
    while first < count {
      var word: UInt64 = 0
      for bit in 0..<min(wordFloats, count &- first) {
        // Without a branch: where the zeros are is anybody's guess.
        let value = words[first &+ bit]
        target[kept] = value
        let keeps: UInt64 = value == 0 ? 0 : 1
        word |= keeps &<< UInt64(truncatingIfNeeded: bit)
        kept &+= Int(truncatingIfNeeded: keeps)
      }
      (mask + first / 8).storeBytes(of: word, as: UInt64.self)
      first &+= wordFloats
    }
    return kept
  }

  /// Reads the mask of `count` floats, and fills its last word with zeros.
  /// - Returns: how many floats it keeps.
  private static func readMask(
    _ reader: inout PartReader, count: Int, into mask: UnsafeMutableRawPointer
  ) throws(WireError) -> Int {
    let length = (count + 7) / 8
    let plane = try BytePlane.decode(&reader, count: length, room: mask)
    if plane != UnsafeRawPointer(mask) { mask.copyMemory(from: plane, byteCount: length) }
    let words = (count + wordFloats - 1) / wordFloats
    for byte in length..<8 * words { mask.storeBytes(of: 0, toByteOffset: byte, as: UInt8.self) }
    var kept = 0
    for word in 0..<words {
      kept += mask.load(fromByteOffset: 8 * word, as: UInt64.self).nonzeroBitCount
    }
    let spare = 8 * words * 8 - count
    if words > 0, spare > 0 {
      let last = mask.load(fromByteOffset: 8 * (words - 1), as: UInt64.self)
      guard last >> UInt64(wordFloats - spare) == 0 else {
        throw WireError("received a part whose mask names more than its \(count) floats")
      }
    }
    return kept
  }

  /// Moves the last `kept` floats of `count` to where the mask has them, and zeros to the rest.
  private static func spread(
    _ mask: UnsafeRawPointer, kept: Int, in floats: UnsafeMutableRawPointer, count: Int
  ) {
    let words = floats.assumingMemoryBound(to: UInt32.self)
    let bytes = mask.assumingMemoryBound(to: UInt8.self)
    var (first, next) = (0, count - kept)
    while first < count {
      var byte = UInt32(bytes[first / 8])
      if byte == 0xFF {
        // All eight, as most are where only some channels are dead.
        let eight = UnsafeRawPointer(words + next).loadUnaligned(as: SIMD8<UInt32>.self)
        UnsafeMutableRawPointer(words + first).storeBytes(of: eight, as: SIMD8<UInt32>.self)
        next &+= 8
      } else if next &+ 8 <= count {
        for place in 0..<8 {
          words[first &+ place] = words[next] & (0 &- (byte & 1))
          next &+= Int(truncatingIfNeeded: byte & 1)
          byte &>>= 1
        }
      } else {
        // Behind the last float there is none to read.
        for place in first..<min(first &+ 8, count) {
          words[place] = byte & 1 == 0 ? 0 : words[next]
          next &+= Int(truncatingIfNeeded: byte & 1)
          byte &>>= 1
        }
      }
      first &+= 8
    }
  }
}
