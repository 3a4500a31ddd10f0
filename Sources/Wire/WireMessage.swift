// How messages become payloads of frames, and payloads messages again.

import FoundationEssentials
import NIOCore

/// A message of one direction: `CoordinatorMessage` or `WorkerMessage`.
package protocol WireMessage: Sendable {
  /// Who sends these messages.
  static var sender: Kind.Sender { get }
  /// Kind, header and numbers.
  /// - Throws: `EncodingError` where a number cannot be written; `WireError` where tensors would
  ///   travel that are not in parts.
  var payload: Payload { get throws }
  /// The message of a payload; nil where the kind is none of this sender's.
  /// - Throws: `DecodingError` or `WireError` where it says something else.
  init?(_ payload: Payload) throws
  /// Whether it says no more than that its sender is alive.
  var isHeartbeat: Bool { get }
  /// What leaves first: messages of a lower number overtake others.
  var priority: Int { get }
  /// The floats of a model that this message announces.
  var announcedFloats: Int? { get }
  /// What this message asks for: seconds between two heartbeats, and of silence after which the
  /// peer is lost.
  var announcedHeartbeat: (heartbeat: Double, bound: Double)? { get }
}

/// What a frame carries.
package struct Payload: Sendable {
  let kind: Kind
  /// JSON, or a part's head; of a part that came, all of it.
  let header: ByteBuffer
  /// A part's encoded floats, on their way out.
  var numbers: ByteBuffer?

  init(_ kind: Kind) { self.init(kind, bytes: ByteBuffer()) }

  init(_ kind: Kind, bytes: ByteBuffer) { (self.kind, header) = (kind, bytes) }

  init(_ kind: Kind, _ header: some Encodable) throws {
    let encoder = JSONEncoder.anyNumbers
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    self.init(kind, bytes: ByteBuffer(bytes: try encoder.encode(header)))
  }

  init(_ part: Part) {
    self.init(.part, bytes: part.head)
    numbers = part.bytes
  }

  func decoded<Header: Decodable>(_ type: Header.Type = Header.self) throws -> Header {
    try JSONDecoder.anyNumbers.decode(type, from: Data(header.readableBytesView))
  }
}

extension CoordinatorMessage: WireMessage {
  /// The coordinator.
  package static var sender: Kind.Sender { .coordinator }

  /// Kind, header and numbers.
  package var payload: Payload {
    get throws {
      switch self {
      case .welcome(let header): try Payload(.welcome, header)
      case .refuse(let reason): try Payload(.refuse, Reason(reason: reason))
      case .weights(let header, nil): try Payload(.weights, header)
      case .weights(_, .some): throw WireError.notInParts
      case .part(let part): Payload(part)
      case .update(let header): try Payload(.update, header)
      case .work(let header): try Payload(.work, header)
      case .successor(let successor): try Payload(.successor, Succession(to: successor))
      case .predecessor(let permit): try Payload(.predecessor, permit)
      case .picture(let piece): Payload(.picture, bytes: piece.payload)
      case .finished: Payload(.finished)
      case .heartbeat: Payload(.heartbeat)
      }
    }
  }

  /// The message of a payload.
  package init?(_ payload: Payload) throws {
    switch payload.kind {
    case .welcome: self = .welcome(try payload.decoded(Welcome.self).checked())
    case .refuse:
      self = .refuse(reason: try payload.decoded(Reason.self).reason.printable(most: 500))
    case .weights: self = .weights(try payload.decoded(), nil)
    case .part: self = .part(try Part(payload: payload.header))
    case .update: self = .update(try payload.decoded())
    case .work: self = .work(try payload.decoded())
    case .successor: self = .successor(try payload.decoded(Succession.self).to)
    case .predecessor: self = .predecessor(try payload.decoded())
    case .picture: self = .picture(try PicturePiece(payload: payload.header))
    case .finished: self = .finished
    case .heartbeat: self = .heartbeat
    default: return nil
    }
  }

  /// Whether it is a heartbeat.
  package var isHeartbeat: Bool { if case .heartbeat = self { true } else { false } }

  /// What is short goes first; then the state, without which its receiver can use no update; then
  /// what the next forward pass needs first; pictures last.
  package var priority: Int {
    if case .picture = self { return .max }
    guard case .part(let part) = self else { return 0 }
    return if case .state = part.content { 1 } else { 2 + part.index }
  }

  /// A welcome's.
  package var announcedFloats: Int? {
    if case .welcome(let welcome) = self { welcome.floats } else { nil }
  }

  /// A welcome's.
  package var announcedHeartbeat: (heartbeat: Double, bound: Double)? {
    guard case .welcome(let welcome) = self else { return nil }
    return (welcome.heartbeat, welcome.heartbeatBound)
  }
}

extension WorkerMessage: WireMessage {
  /// A worker.
  package static var sender: Kind.Sender { .worker }

  /// Kind, header and numbers.
  package var payload: Payload {
    get throws {
      switch self {
      case .hello(let header): try Payload(.hello, header)
      case .ready(let answer): try Payload(.ready, answer)
      case .unable(let reason): try Payload(.unable, Reason(reason: reason))
      case .holds(let weights): try Payload(.holds, weights)
      case .part(let part): Payload(part)
      case .gradient(let header, nil): try Payload(.gradient, header)
      case .gradient(_, .some): throw WireError.notInParts
      case .evaluated(let header): try Payload(.evaluated, header)
      case .listens(let listening): try Payload(.listens, listening)
      case .link(let report): try Payload(.link, report)
      case .wants(let wanted): try Payload(.wants, wanted)
      case .leaving: Payload(.leaving)
      case .heartbeat: Payload(.heartbeat)
      }
    }
  }

  /// The message of a payload.
  package init?(_ payload: Payload) throws {
    switch payload.kind {
    case .hello: self = .hello(try payload.decoded(Hello.self).printable)
    case .ready: self = .ready(try payload.decoded())
    case .unable:
      self = .unable(reason: try payload.decoded(Reason.self).reason.printable(most: 500))
    case .holds: self = .holds(try payload.decoded())
    case .part: self = .part(try Part(payload: payload.header))
    case .gradient: self = .gradient(try payload.decoded(GradientHeader.self).checked(), nil)
    case .evaluated: self = .evaluated(try payload.decoded())
    case .listens: self = .listens(try payload.decoded())
    case .link: self = .link(try payload.decoded(LinkReport.self).printable)
    case .wants: self = .wants(try payload.decoded(WantedPictures.self).checked())
    case .leaving: self = .leaving
    case .heartbeat: self = .heartbeat
    default: return nil
    }
  }

  /// Whether it is a heartbeat.
  package var isHeartbeat: Bool { if case .heartbeat = self { true } else { false } }

  /// In order: a gradient's totals come after its parts.
  package var priority: Int { 0 }

  /// Nothing: the coordinator knows its model.
  package var announcedFloats: Int? { nil }

  /// Nothing: the coordinator has its own.
  package var announcedHeartbeat: (heartbeat: Double, bound: Double)? { nil }
}

extension WireError {
  fileprivate static let notInParts = WireError("tensors must be made parts before they are sent")
}

private struct Reason: Codable { let reason: String }

private struct Succession: Codable { let to: Successor? }

extension LinkReport {
  /// The same with a text that may be printed.
  fileprivate var printable: LinkReport {
    LinkReport(link: link, failure: failure?.printable())
  }
}

extension Welcome {
  /// Itself, where its heartbeats can be kept.
  fileprivate func checked() throws -> Welcome {
    guard (0.001...3600).contains(heartbeat), (heartbeat...86_400).contains(heartbeatBound) else {
      throw WireError("received a welcome with a heartbeat of \(heartbeat) s")
    }
    guard (16...PartCoding.maximumFloats).contains(partFloats), partFloats % 16 == 0 else {
      throw WireError("received a welcome with parts of \(partFloats) floats")
    }
    return self
  }
}

extension GradientHeader {
  /// Itself, where it names steps.
  fileprivate func checked() throws -> GradientHeader {
    guard (0...Int(UInt32.max)).contains(step), (1...1 << 20).contains(totals.count) else {
      throw WireError("received the totals of \(totals.count) steps from step \(step) on")
    }
    return self
  }
}

extension Hello {
  /// The same with texts that may be printed.
  fileprivate var printable: Hello {
    var hello = self
    hello.version = version.printable()
    hello.name = name.printable()
    hello.kernels = kernels.printable()
    return hello
  }
}

extension String {
  /// A peer's text as one line for a terminal: at most some `most` bytes, and nothing in it that
  /// moves the cursor, ends the line or changes the direction of writing.
  fileprivate func printable(most: Int = 200) -> String {
    var text = ""
    for scalar in unicodeScalars {
      guard text.utf8.count < most else { return text + "…" }
      switch scalar.properties.generalCategory {
      case .control, .format, .lineSeparator, .paragraphSeparator, .unassigned:
        text += "\\u{\(String(scalar.value, radix: 16, uppercase: true))}"
      default: text.unicodeScalars.append(scalar)
      }
    }
    return text
  }
}
