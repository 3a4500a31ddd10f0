import NIOCore

public enum PartEncoding: UInt8, CaseIterable, Sendable { case plain = 0 }

package enum PartCoding {
  static func encode(_ floats: UnsafeBufferPointer<Float>, bytesPerSecond: Double?) -> (PartEncoding, ByteBuffer) {
    (.plain, ByteBuffer(bytes: UnsafeRawBufferPointer(floats)))
  }
  static func decode(_ bytes: ByteBuffer, _ encoding: PartEncoding, into floats: UnsafeMutableBufferPointer<Float>) throws(WireError) {
    guard bytes.readableBytes == floats.count * 4 else { throw WireError("received a part of another length") }
    bytes.withUnsafeReadableBytes { UnsafeMutableRawBufferPointer(floats).copyMemory(from: $0) }
  }
  static func maximumBytes(floats: Int) -> Int { floats * 4 }
}
