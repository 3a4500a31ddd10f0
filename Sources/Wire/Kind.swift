import NIOCore
import Primitives

/// What a frame is.
///
/// A frame: a head of the payload's length (UInt32, big-endian), the kind (one byte) and a
/// checksum; then the payload. The checksum is that of these five bytes plus the number of frames
/// that came before it over the connection: a damaged length would otherwise be waited for, and a
/// frame that is lost, repeated or overtaken would not be noticed.
///
/// The payload of most kinds is a header in JSON; that of a part is what `Part` says. Payloads end
/// with the checksum of what comes before in them; a heartbeat has none.
package enum Kind: UInt8, Sendable {
  /// Who sends it.
  package enum Sender: Sendable { case coordinator, worker, predecessor, either }

  case welcome = 1
  case refuse, weights, work, finished
  case update, successor, predecessor, picture
  case hello = 17
  case ready, unable, gradient, evaluated, leaving, holds, listens, link, wants
  case heartbeat = 33
  case part
  case introduction = 49

  /// Whose messages have this kind.
  var sender: Sender {
    switch self {
    case .welcome, .refuse, .weights, .work, .finished, .update, .successor, .predecessor, .picture:
      .coordinator
    case .hello, .ready, .unable, .gradient, .evaluated, .leaving, .holds, .listens, .link,
      .wants:
      .worker
    case .introduction: .predecessor
    case .heartbeat, .part: .either
    }
  }

  /// Bytes of a frame's head.
  static let headBytes = 9

  /// The head of a frame of this kind, after `number` frames.
  func head(payload: Int, number: UInt32) -> ByteBuffer {
    var head = ByteBuffer()
    head.reserveCapacity(Self.headBytes)
    head.writeInteger(UInt32(payload))
    head.writeInteger(rawValue)
    head.writeInteger(Self.headSum(head, number: number))
    return head
  }

  /// The checksum of a head's first five bytes, the head of a frame after `number` others.
  static func headSum(_ head: ByteBuffer, number: UInt32) -> UInt32 {
    checksum(head.withUnsafeReadableBytes { Digest(of: .init(rebasing: $0.prefix(5))) }) &+ number
  }

  /// Whether a checksum ends the payload.
  var hasChecksum: Bool { self != .heartbeat }

  /// Bytes of the payload beside what it says.
  var overhead: Int { hasChecksum ? 4 : 0 }

  /// The lower half of the digest's lower word.
  ///
  /// TCP's own checksum lets one damaged segment in 65,536 through.
  static func checksum(_ digest: Digest) -> UInt32 { UInt32(truncatingIfNeeded: digest.low) }

  /// The bytes of the longest payload without its checksum.
  func maximumPayload(_ limits: Limits) -> Int {
    switch self {
    case .welcome: limits.welcome
    case .hello, .introduction: limits.hello
    case .part: Part.maximumBytes(limits)
    case .picture: PicturePiece.maximumPayload
    case .finished, .leaving, .heartbeat: 0
    default: limits.header
    }
  }
}
