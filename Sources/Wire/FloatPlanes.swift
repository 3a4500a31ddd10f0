// Floats as four planes of bytes. Neighbouring gradients differ in all bits of the mantissa, but
// their exponents are a few numbers of the same size: apart from the mantissas they get small.

import NIOCore

/// Floats as byte planes, each in the form that makes it smallest.
///
/// The bits are rotated left by one, so that the exponent is a byte of its own and the sign is the
/// lowest bit. The exponents' plane comes first, the one with the signs last.
enum FloatPlanes {
  private static let planes = 4

  /// Appends the planes of `count` floats.
  static func encode(_ floats: UnsafeRawPointer, count: Int, into bytes: inout ByteBuffer) {
    let memory = UnsafeMutableRawPointer.allocate(byteCount: planes * count, alignment: 64)
    defer { memory.deallocate() }
    split(floats, count: count, into: memory)
    for plane in 0..<planes {
      BytePlane.encode(
        UnsafeRawBufferPointer(start: memory + plane * count, count: count),
        mayPack: plane == 0, into: &bytes)
    }
  }

  /// Reads the planes of `count` floats and puts these together in `floats`.
  static func decode(
    _ reader: inout PartReader, into floats: UnsafeMutableRawPointer, count: Int
  ) throws(WireError) {
    let room = BytePlane.decodingRoom(count)
    let memory = UnsafeMutableRawPointer.allocate(byteCount: planes * room, alignment: 64)
    defer { memory.deallocate() }
    let first = try BytePlane.decode(&reader, count: count, room: memory)
    let second = try BytePlane.decode(&reader, count: count, room: memory + room)
    let third = try BytePlane.decode(&reader, count: count, room: memory + 2 * room)
    let fourth = try BytePlane.decode(&reader, count: count, room: memory + 3 * room)
    merge(first, second, third, fourth, count: count, into: floats)
  }

  /// - Parameter planes: room for four times `count` bytes.
  private static func split(
    _ floats: UnsafeRawPointer, count: Int, into planes: UnsafeMutableRawPointer
  ) {
    let (first, second) = (planes, planes + count)
    let (third, fourth) = (planes + 2 * count, planes + 3 * count)
    typealias Bytes = SIMD16<UInt8>
    var i = 0
    while i + 16 <= count {
      let words = (floats + 4 * i).loadUnaligned(as: SIMD16<UInt32>.self)
      let rotated = words &<< 1 | words &>> 31
      (first + i).storeBytes(of: Bytes(truncatingIfNeeded: rotated &>> 24), as: Bytes.self)
      (second + i).storeBytes(of: Bytes(truncatingIfNeeded: rotated &>> 16), as: Bytes.self)
      (third + i).storeBytes(of: Bytes(truncatingIfNeeded: rotated &>> 8), as: Bytes.self)
      (fourth + i).storeBytes(of: Bytes(truncatingIfNeeded: rotated), as: Bytes.self)
      i += 16
    }
    while i < count {
      let word = (floats + 4 * i).loadUnaligned(as: UInt32.self)
      let rotated = word &<< 1 | word &>> 31
      (first + i).storeBytes(of: UInt8(truncatingIfNeeded: rotated &>> 24), as: UInt8.self)
      (second + i).storeBytes(of: UInt8(truncatingIfNeeded: rotated &>> 16), as: UInt8.self)
      (third + i).storeBytes(of: UInt8(truncatingIfNeeded: rotated &>> 8), as: UInt8.self)
      (fourth + i).storeBytes(of: UInt8(truncatingIfNeeded: rotated), as: UInt8.self)
      i += 1
    }
  }

  private static func merge(
    _ first: UnsafeRawPointer, _ second: UnsafeRawPointer, _ third: UnsafeRawPointer,
    _ fourth: UnsafeRawPointer, count: Int, into floats: UnsafeMutableRawPointer
  ) {
    var i = 0
    while i + 16 <= count {
      let rotated =
        words(first + i) &<< 24 | words(second + i) &<< 16 | words(third + i) &<< 8
        | words(fourth + i)
      (floats + 4 * i).storeBytes(of: rotated &>> 1 | rotated &<< 31, as: SIMD16<UInt32>.self)
      i += 16
    }
    while i < count {
      let rotated =
        word(first + i) &<< 24 | word(second + i) &<< 16 | word(third + i) &<< 8 | word(fourth + i)
      (floats + 4 * i).storeBytes(of: rotated &>> 1 | rotated &<< 31, as: UInt32.self)
      i += 1
    }
  }

  @inline(__always)
  private static func words(_ bytes: UnsafeRawPointer) -> SIMD16<UInt32> {
    SIMD16<UInt32>(truncatingIfNeeded: bytes.loadUnaligned(as: SIMD16<UInt8>.self))
  }

  @inline(__always)
  private static func word(_ byte: UnsafeRawPointer) -> UInt32 {
    UInt32(byte.load(as: UInt8.self))
  }
}
