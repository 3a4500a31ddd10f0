import NIOCore
import Primitives

/// What a frame is.
///
/// A frame: a head of the payload's length (UInt32, big-endian), the kind (one byte) and the
/// checksum of these five bytes; then the payload. A damaged length would otherwise be waited for.
///
/// The payload of most kinds is a header in JSON. Before the header of a message with a body stands
/// the body's length (UInt32); the body follows in frames of kind `piece`, one after the other,
/// with nothing but heartbeats between them. All but pieces, whose body has a checksum, and
/// heartbeats, which have none, end with the checksum of what comes before in the payload.
package enum Kind: UInt8, Sendable {
  /// Who sends it.
  package enum Sender: Sendable { case coordinator, worker, either }

  case welcome = 1
  case refuse, weights, work, finished
  case hello = 17
  case ready, unable, gradient, evaluated, leaving
  case heartbeat = 33
  case piece

  /// Whose messages have this kind.
  var sender: Sender {
    switch self {
    case .welcome, .refuse, .weights, .work, .finished: .coordinator
    case .hello, .ready, .unable, .gradient, .evaluated, .leaving: .worker
    case .heartbeat, .piece: .either
    }
  }

  /// Whether a body follows.
  var hasBody: Bool { self == .weights || self == .gradient }

  /// Whether there is a header.
  var hasHeader: Bool {
    switch self {
    case .finished, .leaving, .heartbeat, .piece: false
    default: true
    }
  }

  /// Bytes of a frame's head.
  static let headBytes = 9

  /// The head of a frame of this kind.
  func head(payload: Int) -> ByteBuffer {
    var head = ByteBuffer()
    head.reserveCapacity(Self.headBytes)
    head.writeInteger(UInt32(payload))
    head.writeInteger(rawValue)
    head.writeInteger(head.withUnsafeReadableBytes(Self.checksum))
    return head
  }

  /// Whether a checksum ends the payload.
  var hasChecksum: Bool { self != .piece && self != .heartbeat }

  /// Bytes of the payload beside the header or the piece.
  var overhead: Int { (hasBody ? 4 : 0) + (hasChecksum ? 4 : 0) }

  /// The lower half of the lower word of the digest.
  ///
  /// TCP's own checksum lets one damaged segment in 65,536 through.
  static func checksum(_ bytes: UnsafeRawBufferPointer) -> UInt32 {
    UInt32(truncatingIfNeeded: Digest(of: bytes).low)
  }

  /// The bytes of the longest header or piece.
  func maximumPayload(_ limits: Limits) -> Int {
    switch self {
    case .welcome: limits.welcome
    case .hello: limits.hello
    case .piece: limits.piece
    default: hasHeader ? limits.header : 0
    }
  }
}
