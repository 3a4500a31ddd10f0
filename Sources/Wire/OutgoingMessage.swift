import NIOCore
import Primitives

/// A message on its way out: one frame.
///
/// The numbers of a part are not copied, so one part may be on its way to many peers.
package struct OutgoingMessage: Sendable {
  /// The frame of a heartbeat, either side's.
  package static let heartbeat = OutgoingMessage(
    head: Kind.heartbeat.head(payload: 0), numbers: nil, tail: nil)

  /// Length, kind and header.
  package let head: ByteBuffer
  /// A part's encoded floats.
  package let numbers: ByteBuffer?
  /// The checksum.
  package let tail: ByteBuffer?
  /// What is to leave first: messages of a lower number overtake others that wait.
  package let priority: Int

  /// All bytes of the frame.
  package var byteCount: Int {
    head.readableBytes + (numbers?.readableBytes ?? 0) + (tail?.readableBytes ?? 0)
  }

  /// The frame as one.
  package var bytes: ByteBuffer {
    var bytes = head
    for rest in [numbers, tail] { if let rest { bytes.writeImmutableBuffer(rest) } }
    return bytes
  }

  private init(head: ByteBuffer, numbers: ByteBuffer?, tail: ByteBuffer?, priority: Int = 0) {
    (self.head, self.numbers, self.tail, self.priority) = (head, numbers, tail, priority)
  }

  /// The preface, which is sent before all messages.
  static let preface = OutgoingMessage(head: Preface.bytes, numbers: nil, tail: nil)

  /// Encodes the header.
  /// - Throws: `WireError` where the message is larger than `limits` allow, or has numbers beside
  ///   it that have not been made parts; `EncodingError`.
  package init(_ message: some WireMessage, limits: Limits = .standard) throws {
    let payload = try message.payload
    let count = payload.header.readableBytes + (payload.numbers?.readableBytes ?? 0)
    guard count <= payload.kind.maximumPayload(limits) else {
      throw WireError("a message (\(payload.kind)) of \(count) bytes is too large to send")
    }
    var head = payload.kind.head(payload: count + payload.kind.overhead)
    head.writeImmutableBuffer(payload.header)
    var tail: ByteBuffer?
    if payload.kind.hasChecksum {
      var hasher = DigestHasher()
      payload.header.withUnsafeReadableBytes { hasher.update($0) }
      payload.numbers?.withUnsafeReadableBytes { hasher.update($0) }
      tail = ByteBuffer(integer: Kind.checksum(hasher.finish()))
    }
    self.init(head: head, numbers: payload.numbers, tail: tail, priority: message.priority)
  }
}
