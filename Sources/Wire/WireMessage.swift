// How messages are taken apart into kind, header and body, and put together again.

import FoundationEssentials
import NIOCore

/// A message of one direction: `CoordinatorMessage` or `WorkerMessage`.
package protocol WireMessage: Sendable {
  /// Who sends these messages.
  static var sender: Kind.Sender { get }
  /// Kind, header in JSON and body.
  /// - Throws: `EncodingError` where a number cannot be written.
  var parts: MessageParts { get throws }
  /// The message of these parts; nil where the kind is none of this sender's.
  /// - Throws: `DecodingError` or `WireError` where the header says something else.
  init?(_ parts: MessageParts) throws
  /// Whether it says no more than that its sender is alive.
  var isHeartbeat: Bool { get }
  /// The floats of a model that this message announces; the limit for bodies after it.
  var announcedFloats: Int? { get }
  /// What this message asks for: seconds between two heartbeats, and of silence after which the
  /// peer is lost.
  var announcedHeartbeat: (heartbeat: Double, bound: Double)? { get }
}

/// A message in parts.
package struct MessageParts: Sendable {
  let kind: Kind
  let header: Data
  let body: Body?

  init(_ kind: Kind, body: Body? = nil) {
    (self.kind, header, self.body) = (kind, Data(), body)
  }

  init(_ kind: Kind, header: some Encodable, body: Body? = nil) throws {
    let encoder = JSONEncoder.anyNumbers
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    (self.kind, self.header, self.body) = (kind, try encoder.encode(header), body)
  }

  init(_ kind: Kind, headerBytes: Data, body: Body?) {
    (self.kind, header, self.body) = (kind, headerBytes, body)
  }

  func header<Header: Decodable>(_ type: Header.Type = Header.self) throws -> Header {
    try JSONDecoder.anyNumbers.decode(type, from: header)
  }

  /// The body of a kind that has one.
  func tensors() throws -> Body {
    guard let body else { throw WireError("received a message without its body") }
    return body
  }
}

extension CoordinatorMessage: WireMessage {
  /// The coordinator.
  package static var sender: Kind.Sender { .coordinator }

  /// Kind, header and body.
  package var parts: MessageParts {
    get throws {
      switch self {
      case .welcome(let header): try MessageParts(.welcome, header: header)
      case .refuse(let reason): try MessageParts(.refuse, header: Reason(reason: reason))
      case .weights(let header, let body):
        try MessageParts(.weights, header: header, body: body)
      case .work(let header): try MessageParts(.work, header: header)
      case .finished: MessageParts(.finished)
      case .heartbeat: MessageParts(.heartbeat)
      }
    }
  }

  /// The message of these parts.
  package init?(_ parts: MessageParts) throws {
    switch parts.kind {
    case .welcome: self = .welcome(try parts.header(Welcome.self).checked())
    case .refuse: self = .refuse(reason: try parts.header(Reason.self).reason.printable(most: 500))
    case .weights: self = .weights(try parts.header(), try parts.tensors())
    case .work: self = .work(try parts.header())
    case .finished: self = .finished
    case .heartbeat: self = .heartbeat
    default: return nil
    }
  }

  /// Whether it is a heartbeat.
  package var isHeartbeat: Bool { if case .heartbeat = self { true } else { false } }

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

  /// Kind, header and body.
  package var parts: MessageParts {
    get throws {
      switch self {
      case .hello(let header): try MessageParts(.hello, header: header)
      case .ready(let answer): try MessageParts(.ready, header: answer)
      case .unable(let reason): try MessageParts(.unable, header: Reason(reason: reason))
      case .gradient(let header, let body):
        try MessageParts(.gradient, header: header, body: body)
      case .evaluated(let header): try MessageParts(.evaluated, header: header)
      case .leaving: MessageParts(.leaving)
      case .heartbeat: MessageParts(.heartbeat)
      }
    }
  }

  /// The message of these parts.
  package init?(_ parts: MessageParts) throws {
    switch parts.kind {
    case .hello: self = .hello(try parts.header(Hello.self).printable)
    case .ready: self = .ready(try parts.header())
    case .unable: self = .unable(reason: try parts.header(Reason.self).reason.printable(most: 500))
    case .gradient: self = .gradient(try parts.header(), try parts.tensors())
    case .evaluated: self = .evaluated(try parts.header())
    case .leaving: self = .leaving
    case .heartbeat: self = .heartbeat
    default: return nil
    }
  }

  /// Whether it is a heartbeat.
  package var isHeartbeat: Bool { if case .heartbeat = self { true } else { false } }

  /// Nothing: the coordinator knows its model.
  package var announcedFloats: Int? { nil }

  /// Nothing: the coordinator has its own.
  package var announcedHeartbeat: (heartbeat: Double, bound: Double)? { nil }
}

private struct Reason: Codable { let reason: String }

extension Welcome {
  /// Itself, where its heartbeats can be kept.
  fileprivate func checked() throws -> Welcome {
    guard (0.001...3600).contains(heartbeat), (heartbeat...86_400).contains(heartbeatBound) else {
      throw WireError("received a welcome with a heartbeat of \(heartbeat) s")
    }
    return self
  }
}

extension Hello {
  /// The same with texts that may be printed.
  fileprivate var printable: Hello {
    Hello(
      version: version.printable(), name: name.printable(), token: token, threads: threads,
      kernels: kernels.printable())
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
