import FoundationEssentials
import NIOCore

/// Bytes to messages, as they come.
///
/// A length and a kind are checked before anything is waited for or allocated; the bytes of a body
/// are copied once, into the buffer that they stay in.
package struct FrameDecoder<Message: WireMessage> {
  /// How far the peer has come.
  package enum Stage: Sendable {
    case preface
    /// It has yet to say who it is.
    case introduction
    /// A worker that is not ready: nobody else has memory taken for tensors.
    case unready
    case open
  }

  /// A message whose tensors are arriving.
  private struct IncomingBody {
    let kind: Kind
    let header: Data
    var bytes = ByteBuffer()
    /// Bytes that are still to come.
    var missing: Int
    /// Those of them that belong to the piece that is arriving.
    var pieceMissing = 0

    init(_ kind: Kind, header: Data, count: Int) {
      (self.kind, self.header, missing) = (kind, header, count)
      bytes.reserveCapacity(count)
    }

    /// Takes what is there of a piece; false where some of it is still to come.
    mutating func takePiece(from buffer: inout ByteBuffer) -> Bool {
      guard var part = buffer.readSlice(length: min(pieceMissing, buffer.readableBytes)) else {
        return false
      }
      pieceMissing -= part.readableBytes
      missing -= part.readableBytes
      bytes.writeBuffer(&part)
      return pieceMissing == 0
    }
  }

  private let limits: Limits
  private var stage: Stage
  /// The bytes of the largest body that the model allows; nil while no model is known.
  private var maximumBody: Int?
  private var incoming: IncomingBody?

  /// A decoder for a connection.
  /// - Parameters:
  ///   - floats: the model's `ParameterLayout.bufferCount`; nil where the peer will say.
  ///   - stage: another than at the start, for tests.
  package init(limits: Limits = .standard, floats: Int? = nil, stage: Stage = .preface) {
    self.limits = limits
    self.stage = stage
    maximumBody = floats.map(TensorCoding.maximumFrame)
  }

  /// The next message that is whole; nil where more bytes are needed.
  /// - Throws: `WireError`: the connection cannot go on.
  package mutating func decode(buffer: inout ByteBuffer) throws -> Message? {
    if stage == .preface {
      guard try Preface.read(from: &buffer) else { return nil }
      stage = .introduction
    }
    while true {
      if incoming?.takePiece(from: &buffer) == false { return nil }
      if incoming?.missing == 0, let body = incoming {
        incoming = nil
        return try message(
          MessageParts(body.kind, headerBytes: body.header, body: .frame(body.bytes)))
      }
      guard var head = buffer.getSlice(at: buffer.readerIndex, length: Kind.headBytes) else {
        return nil
      }
      let (kind, payload) = try check(&head)
      if kind == .piece {
        buffer.moveReaderIndex(forwardBy: Kind.headBytes)
        incoming?.pieceMissing = payload
        continue
      }
      guard buffer.readableBytes >= Kind.headBytes + payload else { return nil }
      buffer.moveReaderIndex(forwardBy: Kind.headBytes)
      try checkSum(kind, payload: payload, buffer)
      if let message = try take(kind, payload: payload, from: &buffer) { return message }
    }
  }

  /// The stream has ended, with the bytes in `buffer` left.
  /// - Throws: `WireError` where that was within a message.
  package func finish(buffer: ByteBuffer) throws {
    guard buffer.readableBytes == 0, incoming == nil else {
      throw WireError("the connection ended in the middle of a message")
    }
  }

  /// Checks a frame's head.
  private func check(_ head: inout ByteBuffer) throws -> (Kind, payload: Int) {
    let sum = head.withUnsafeReadableBytes { Kind.checksum(.init(rebasing: $0.prefix(5))) }
    let payload = Int(head.readInteger(as: UInt32.self) ?? 0)
    let rawKind = head.readInteger(as: UInt8.self) ?? 0
    guard head.readInteger() == sum else {
      throw WireError("received a damaged message: the checksum of its head is another")
    }
    guard let kind = Kind(rawValue: rawKind) else {
      throw WireError("received a message of unknown kind \(rawKind)")
    }
    try checkOrder(kind)
    let content = payload - kind.overhead
    guard content >= 0, content <= kind.maximumPayload(limits) else {
      throw WireError("received a message (\(kind)) of \(payload) bytes, which cannot be")
    }
    if kind == .piece {
      let missing = incoming?.missing ?? 0
      guard payload > 0, payload <= missing else {
        throw WireError("received \(payload) bytes of tensors where \(missing) are missing")
      }
    } else if incoming != nil, kind != .heartbeat {
      throw WireError("received a message (\(kind)) within the tensors of another")
    }
    return (kind, payload)
  }

  /// Checks a whole frame's checksum, where its kind has one.
  private func checkSum(_ kind: Kind, payload: Int, _ buffer: ByteBuffer) throws {
    guard kind.hasChecksum else { return }
    let sum = buffer.withUnsafeReadableBytes {
      Kind.checksum(.init(rebasing: $0.prefix(payload - 4)))
    }
    guard buffer.getInteger(at: buffer.readerIndex + payload - 4) == sum else {
      throw WireError("received a damaged message (\(kind)): its checksum is another")
    }
  }

  /// Takes a whole payload; nil where the message's body is still to come.
  private mutating func take(
    _ kind: Kind, payload: Int, from buffer: inout ByteBuffer
  ) throws -> Message? {
    let bodyLength = kind.hasBody ? buffer.readInteger(as: UInt32.self).map(Int.init) : nil
    let header = Data(buffer.readBytes(length: payload - kind.overhead) ?? [])
    if kind.hasChecksum { buffer.moveReaderIndex(forwardBy: 4) }
    if kind == .ready { stage = .open }
    guard stage != .unready || bodyLength == nil else {
      throw WireError("received tensors before it was ready")
    }
    guard let bodyLength else {
      return try message(MessageParts(kind, headerBytes: header, body: nil))
    }
    guard let maximumBody, (1...maximumBody).contains(bodyLength) else {
      throw WireError(
        "received tensors of \(bodyLength) bytes where the model allows \(maximumBody ?? 0)")
    }
    incoming = IncomingBody(kind, header: header, count: bodyLength)
    return nil
  }

  private mutating func message(_ parts: MessageParts) throws -> Message {
    if parts.kind == .hello { stage = .unready }
    if parts.kind == .welcome { stage = .open }
    let message: Message?
    do {
      message = try Message(parts)
    } catch let error as DecodingError {
      throw WireError("received a message (\(parts.kind)) that cannot be read: \(error.summary)")
    }
    guard let message else {
      throw WireError("received a message (\(parts.kind)) that cannot be read")
    }
    if let floats = message.announcedFloats {
      guard (1...limits.floats).contains(floats) else {
        throw WireError("received a model of \(floats) parameters; the limit is \(limits.floats)")
      }
      maximumBody = TensorCoding.maximumFrame(floats: floats)
    }
    return message
  }

  /// A peer sends what is its to send, and introduces itself once, with a hello or a welcome,
  /// before it says anything else; a coordinator may turn a worker away at once.
  private func checkOrder(_ kind: Kind) throws {
    guard kind.sender == .either || kind.sender == Message.sender else {
      throw WireError("received a message (\(kind)) that only this side may send")
    }
    switch kind {
    case .heartbeat, .refuse, .finished: break
    case .hello, .welcome:
      guard stage == .introduction else {
        throw WireError("received a second introduction (\(kind))")
      }
    default:
      guard stage == .unready || stage == .open else {
        throw WireError("received a message (\(kind)) before the peer introduced itself")
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
