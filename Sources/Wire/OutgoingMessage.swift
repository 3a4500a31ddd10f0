import FoundationEssentials
import NIOCore

/// A message on its way out, frame by frame.
///
/// Bodies are sliced and not copied, so one body may be on its way to many peers.
package struct OutgoingMessage: Sendable, IteratorProtocol {
  /// A frame, or the part of one that can be written at once.
  package struct Frame: Sendable {
    /// The frame's length and kind, and its payload where that is a header.
    package let head: ByteBuffer
    /// A piece of a body, the payload of `head`.
    package let piece: ByteBuffer?

    /// Bytes of both.
    package var byteCount: Int { head.readableBytes + (piece?.readableBytes ?? 0) }
  }

  /// The one frame of a heartbeat, either side's.
  package static let heartbeat: ByteBuffer = {
    Kind.heartbeat.head(payload: 0)
  }()

  /// All bytes that are still to be taken.
  package private(set) var byteCount: Int
  private var head: ByteBuffer?
  private var body: ByteBuffer
  private let pieceSize: Int

  /// Encodes the header.
  /// - Throws: `WireError` where the message is larger than `limits` allow, or has a local body.
  package init(_ message: some WireMessage, limits: Limits = .standard) throws {
    let parts = try message.parts
    switch parts.body {
    case .frame(let frame): body = frame
    case .local: throw WireError("tensors must be encoded before they are sent")
    case nil: body = ByteBuffer()
    }
    let payload = parts.header.count + parts.kind.overhead
    let bodyLength = body.readableBytes
    guard parts.header.count <= parts.kind.maximumPayload(limits),
      bodyLength <= TensorCoding.maximumFrame(floats: limits.floats)
    else {
      throw WireError(
        "a message of \(payload) bytes with \(bodyLength) bytes of tensors is too large to send")
    }
    var head = parts.kind.head(payload: payload)
    head.reserveCapacity(Kind.headBytes + payload)
    if parts.kind.hasBody { head.writeInteger(UInt32(bodyLength)) }
    head.writeBytes(parts.header)
    if parts.kind.hasChecksum {
      head.writeInteger(
        head.withUnsafeReadableBytes {
          Kind.checksum(.init(rebasing: $0.dropFirst(Kind.headBytes)))
        })
    }
    let pieces = (bodyLength + limits.piece - 1) / limits.piece
    byteCount = head.readableBytes + pieces * Kind.headBytes + bodyLength
    self.head = head
    pieceSize = limits.piece
  }

  /// The next frame; nil after the last.
  package mutating func next() -> Frame? {
    guard let frame = nextHead() ?? nextPiece() else { return nil }
    byteCount -= frame.byteCount
    return frame
  }

  private mutating func nextHead() -> Frame? {
    defer { head = nil }
    return head.map { Frame(head: $0, piece: nil) }
  }

  private mutating func nextPiece() -> Frame? {
    guard let piece = body.readSlice(length: min(pieceSize, body.readableBytes)),
      piece.readableBytes > 0
    else { return nil }
    return Frame(head: Kind.piece.head(payload: piece.readableBytes), piece: piece)
  }
}
