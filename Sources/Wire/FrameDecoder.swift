import FoundationEssentials
import NIOCore
import Primitives

/// Bytes to messages, as they come.
///
/// A length and a kind are checked before anything is waited for or allocated.
package struct FrameDecoder<Message: WireMessage> {
  /// How far the peer has come.
  package enum Stage: Sendable {
    case preface
    /// It has yet to say who it is.
    case introduction
    /// A worker that is not ready: nobody else sends numbers.
    case unready
    case open
  }

  private let limits: Limits
  private var stage: Stage
  /// Frames that have come.
  private var count: UInt32 = 0

  /// A decoder for a connection.
  /// - Parameter stage: another than at the start, for tests.
  package init(limits: Limits = .standard, stage: Stage = .preface) {
    self.limits = limits
    self.stage = stage
  }

  /// The next message that is whole; nil where more bytes are needed.
  /// - Throws: `WireError`: the connection cannot go on.
  package mutating func decode(buffer: inout ByteBuffer) throws -> Message? {
    if stage == .preface {
      guard try Preface.read(from: &buffer) else { return nil }
      stage = .introduction
    }
    guard var head = buffer.getSlice(at: buffer.readerIndex, length: Kind.headBytes) else {
      return nil
    }
    let (kind, payload) = try check(&head)
    guard buffer.readableBytes >= Kind.headBytes + payload else { return nil }
    buffer.moveReaderIndex(forwardBy: Kind.headBytes)
    try checkSum(kind, payload: payload, buffer)
    count &+= 1
    let content = buffer.readSlice(length: payload - kind.overhead) ?? ByteBuffer()
    buffer.moveReaderIndex(forwardBy: kind.overhead)
    if kind == .ready { stage = .open }
    return try message(Payload(kind, bytes: content))
  }

  /// The stream has ended, with the bytes in `buffer` left.
  /// - Throws: `WireError` where that was within a message.
  package func finish(buffer: ByteBuffer) throws {
    guard buffer.readableBytes == 0 else {
      throw WireError("the connection ended in the middle of a message")
    }
  }

  /// Checks a frame's head.
  private func check(_ head: inout ByteBuffer) throws -> (Kind, payload: Int) {
    let sum = Kind.headSum(head, number: count)
    let payload = Int(head.readInteger(as: UInt32.self) ?? 0)
    let rawKind = head.readInteger(as: UInt8.self) ?? 0
    guard head.readInteger() == sum else {
      throw WireError(
        "received a damaged message, or one out of turn: the checksum of its head is another")
    }
    guard let kind = Kind(rawValue: rawKind) else {
      throw WireError("received a message of unknown kind \(rawKind)")
    }
    try checkOrder(kind)
    guard (0...kind.maximumPayload(limits)).contains(payload - kind.overhead) else {
      throw WireError("received a message (\(kind)) of \(payload) bytes, which cannot be")
    }
    return (kind, payload)
  }

  /// Checks a whole frame's checksum, where its kind has one.
  private func checkSum(_ kind: Kind, payload: Int, _ buffer: ByteBuffer) throws {
    guard kind.hasChecksum else { return }
    let sum = buffer.withUnsafeReadableBytes {
      Kind.checksum(Digest(of: .init(rebasing: $0.prefix(payload - kind.overhead))))
    }
    guard buffer.getInteger(at: buffer.readerIndex + payload - kind.overhead) == sum else {
      throw WireError("received a damaged message (\(kind)): its checksum is another")
    }
  }

  private mutating func message(_ payload: Payload) throws -> Message {
    if payload.kind == .hello { stage = .unready }
    if payload.kind == .welcome || payload.kind == .introduction { stage = .open }
    let message: Message?
    do {
      message = try Message(payload)
    } catch let error as DecodingError {
      throw WireError("received a message (\(payload.kind)) that cannot be read: \(error.summary)")
    }
    guard let message else {
      throw WireError("received a message (\(payload.kind)) that cannot be read")
    }
    if let floats = message.announcedFloats, !(1...limits.floats).contains(floats) {
      throw WireError("received a model of \(floats) parameters; the limit is \(limits.floats)")
    }
    return message
  }

  /// A peer sends what is its to send, and introduces itself once before it says anything else; a
  /// coordinator may turn a worker away at once.
  private func checkOrder(_ kind: Kind) throws {
    guard kind.sender == .either || kind.sender == Message.sender else {
      throw WireError("received a message (\(kind)) that only this side may send")
    }
    switch kind {
    case .heartbeat, .refuse, .finished: break
    case .hello, .welcome, .introduction:
      guard stage == .introduction else {
        throw WireError("received a second introduction (\(kind))")
      }
    default:
      guard stage == .unready || stage == .open else {
        throw WireError("received a message (\(kind)) before the peer introduced itself")
      }
      guard kind != .part || stage == .open else {
        throw WireError("received numbers before it was ready")
      }
    }
  }
}

extension DecodingError {
  /// One line: what is wrong, and at which key.
  fileprivate var summary: String {
    switch self {
    case .keyNotFound(let key, _): "no \(key.stringValue)"
    case .typeMismatch(_, let context), .valueNotFound(_, let context),
      .dataCorrupted(let context):
      context.codingPath.isEmpty
        ? "no JSON" : "wrong \(context.codingPath.map(\.stringValue).joined(separator: "."))"
    @unknown default: "no JSON"
    }
  }
}
