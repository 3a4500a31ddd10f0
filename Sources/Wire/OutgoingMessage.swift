import NIOCore
import Primitives

/// A message on its way out: one frame.
///
/// The numbers of a part are not copied, so one part may be on its way to many peers.
package struct OutgoingMessage: Sendable {
  /// A heartbeat, either side's.
  package static let heartbeat = OutgoingMessage(.heartbeat, ByteBuffer())

  /// What is to leave first: messages of a lower number overtake others that wait.
  package let priority: Int
  private let kind: Kind
  private let header: ByteBuffer
  /// A part's encoded floats.
  private let numbers: ByteBuffer?
  /// The checksum of the payload.
  private let sum: ByteBuffer?

  private init(_ kind: Kind, _ header: ByteBuffer) {
    (self.kind, self.header, numbers, sum, priority) = (kind, header, nil, nil, 0)
  }

  /// Encodes the header.
  /// - Throws: `WireError` where the message is larger than `limits` allow, or has numbers beside
  ///   it that have not been made parts; `EncodingError`.
  package init(_ message: some WireMessage, limits: Limits = .standard) throws {
    let payload = try message.payload
    (kind, header, numbers) = (payload.kind, payload.header, payload.numbers)
    priority = message.priority
    let count = header.readableBytes + (numbers?.readableBytes ?? 0)
    guard count <= kind.maximumPayload(limits) else {
      throw WireError("a message (\(kind)) of \(count) bytes is too large to send")
    }
    guard kind.hasChecksum else {
      sum = nil
      return
    }
    var hasher = DigestHasher()
    header.withUnsafeReadableBytes { hasher.update($0) }
    numbers?.withUnsafeReadableBytes { hasher.update($0) }
    sum = ByteBuffer(integer: Kind.checksum(hasher.finish()))
  }

  /// All bytes of the frame.
  package var byteCount: Int { Kind.headBytes + payloadCount }

  private var payloadCount: Int {
    [header, numbers, sum].reduce(0) { $0 + ($1?.readableBytes ?? 0) }
  }

  /// The frame, after `number` others over a connection.
  package func frame(number: UInt32) -> OutgoingFrame {
    let head = kind.head(payload: payloadCount, number: number)
    return OutgoingFrame([head, header, numbers, sum].compactMap { $0 })
  }
}

/// Bytes to be written one after the other.
package struct OutgoingFrame: Sendable {
  /// In order.
  package let buffers: [ByteBuffer]

  init(_ buffers: [ByteBuffer]) { self.buffers = buffers }

  /// Of all buffers.
  package var byteCount: Int { buffers.reduce(0) { $0 + $1.readableBytes } }

  /// All in one.
  package var bytes: ByteBuffer {
    buffers.dropFirst().reduce(into: buffers[0]) { $0.writeImmutableBuffer($1) }
  }
}
