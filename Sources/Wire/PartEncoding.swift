// Numbers of several bytes are written as they lie in memory: whatever Dogsled runs on is
// little-endian.

import NIOCore

/// How the floats of a part travel: without loss, to the bit.
package enum PartEncoding: UInt8, CaseIterable, Sendable {
  /// As they are, little-endian.
  case plain = 0
  /// As `FloatPlanes`: bytes of the same place together, the exponents packed.
  case planes = 1
  /// As `SparseFloats`: a mask, and those that are not zero, as they are or as planes.
  case sparse = 2
}

/// The floats of a part as they travel.
package struct EncodedPart: Sendable {
  /// What `bytes` are.
  package let encoding: PartEncoding
  /// The encoded floats; how many there are is not in them.
  package let bytes: ByteBuffer
}

/// The floats of one part to bytes and back.
///
/// Any thread may call it.
package enum PartCoding {
  /// The most floats of a part: 64 KiB.
  package static let maximumFloats = 1 << 14

  /// The most bytes of what `encode(_:bytesPerSecond:)` makes: it sends floats as they are where
  /// nothing is shorter.
  package static func maximumBytes(floats: Int) -> Int { 4 * floats }

  /// Encodes `floats` so that they arrive soonest.
  /// - Parameters:
  ///   - floats: at most `maximumFloats`.
  ///   - bytesPerSecond: what the link carries; nil where that is not known.
  package static func encode(
    _ floats: UnsafeBufferPointer<Float>, bytesPerSecond: Double?
  ) -> EncodedPart {
    let source = UnsafeRawBufferPointer(floats)
    guard let start = source.baseAddress else { return plain(source) }
    let costs = PartCosts(bytesPerSecond: bytesPerSecond)
    let choice = costs.choose(
      floats: floats.count, zeros: SparseFloats.zeros(start, count: floats.count))
    let bytes: ByteBuffer
    switch choice {
    case .plain: return plain(source)
    case .planes: bytes = encoded(source, as: .planes, withPlanes: true)
    case .sparse(let withPlanes): bytes = encoded(source, as: .sparse, withPlanes: withPlanes)
    }
    guard bytes.readableBytes < source.count else { return plain(source) }
    return EncodedPart(encoding: choice.encoding, bytes: bytes)
  }

  /// Encodes `floats` in this encoding, in some bytes more than `maximumBytes` where it is not made
  /// for such floats: for tests and measurements.
  package static func encode(
    _ floats: UnsafeBufferPointer<Float>, as encoding: PartEncoding
  ) -> EncodedPart {
    EncodedPart(
      encoding: encoding,
      bytes: encoded(UnsafeRawBufferPointer(floats), as: encoding, withPlanes: true))
  }

  /// Decodes a part into `floats`, which are as many as were encoded.
  /// - Throws: `WireError` for bytes that do not add up; whatever was written is to be thrown away
  ///   then. Bytes that were damaged and still add up give other floats: a checksum finds that.
  package static func decode(
    _ bytes: UnsafeRawBufferPointer, _ encoding: PartEncoding,
    into floats: UnsafeMutableBufferPointer<Float>
  ) throws(WireError) {
    guard floats.count <= maximumFloats else {
      throw WireError("received a part of \(floats.count) floats; the limit is \(maximumFloats)")
    }
    var reader = PartReader(bytes)
    if let target = UnsafeMutableRawPointer(floats.baseAddress) {
      switch encoding {
      case .plain:
        let plain = try reader.take(4 * floats.count)
        UnsafeMutableRawBufferPointer(floats).copyMemory(from: plain)
      case .planes: try FloatPlanes.decode(&reader, into: target, count: floats.count)
      case .sparse: try SparseFloats.decode(&reader, into: target, count: floats.count)
      }
    }
    try reader.finish()
  }

  /// Decodes a part into `floats`, as the other does.
  package static func decode(
    _ bytes: ByteBuffer, _ encoding: PartEncoding, into floats: UnsafeMutableBufferPointer<Float>
  ) throws(WireError) {
    let result = bytes.withUnsafeReadableBytes { readable in
      Result { () throws(WireError) in try decode(readable, encoding, into: floats) }
    }
    try result.get()
  }

  private static func plain(_ floats: UnsafeRawBufferPointer) -> EncodedPart {
    EncodedPart(encoding: .plain, bytes: ByteBuffer(bytes: floats))
  }

  private static func encoded(
    _ floats: UnsafeRawBufferPointer, as encoding: PartEncoding, withPlanes: Bool
  ) -> ByteBuffer {
    let count = floats.count / 4
    precondition(count <= maximumFloats)
    var bytes = ByteBuffer()
    guard let start = floats.baseAddress, count > 0 else { return bytes }
    bytes.reserveCapacity(floats.count)
    switch encoding {
    case .plain: bytes.writeBytes(floats)
    case .planes: FloatPlanes.encode(start, count: count, into: &bytes)
    case .sparse:
      SparseFloats.encode(start, count: count, withPlanes: withPlanes, into: &bytes)
    }
    return bytes
  }
}
