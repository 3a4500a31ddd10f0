// What workers say to each other, and to the coordinator of it: parts of updates go from one worker
// to the next, so that the coordinator sends each but once.

import NIOCore

/// What a worker says to the one that it hands parts of updates on to.
///
/// That one says nothing but that it is alive.
package enum LinkMessage: Sendable {
  /// The first message.
  case introduction(LinkIntroduction)
  /// A part of an update, as it came.
  case part(Part)
  /// Nothing new: the worker is alive.
  case heartbeat
}

/// Which link it is.
package struct LinkIntroduction: Codable, Hashable, Sendable {
  /// The link's number.
  package var link: Int
  /// What the coordinator has told both ends of it.
  package var secret: Secret

  /// The link of this number.
  package init(link: Int, secret: Secret) { (self.link, self.secret) = (link, secret) }
}

/// The link over which a worker is about to get parts of updates.
public struct LinkPermit: Codable, Hashable, Sendable {
  /// The link's number: greater than those before.
  public var link: Int
  /// Whoever knows it may use the link, once.
  public var secret: Secret

  /// The link of this number.
  public init(link: Int, secret: Secret) { (self.link, self.secret) = (link, secret) }
}

/// Where a worker listens for another one, at the address from which it reaches the coordinator.
public struct Listening: Codable, Hashable, Sendable {
  /// The port.
  public var port: Int
  /// Of the worker's public key; nil where nothing is encrypted.
  public var fingerprint: Fingerprint?

  /// A port with the key of whoever listens there.
  public init(port: Int, fingerprint: Fingerprint?) {
    (self.port, self.fingerprint) = (port, fingerprint)
  }
}

/// What became of a link between two workers.
public struct LinkReport: Codable, Hashable, Sendable {
  /// The link's number.
  public var link: Int
  /// Why there is none, in one line; nil where its receiver has it.
  public var failure: String?

  /// A report of the link of this number.
  public init(link: Int, failure: String? = nil) { (self.link, self.failure) = (link, failure) }
}

extension LinkMessage: WireMessage {
  /// The worker that hands on.
  package static var sender: Kind.Sender { .predecessor }

  /// Kind, header and numbers.
  package var payload: Payload {
    get throws {
      switch self {
      case .introduction(let header): try Payload(.introduction, header)
      case .part(let part): Payload(part)
      case .heartbeat: Payload(.heartbeat)
      }
    }
  }

  /// The message of a payload.
  package init?(_ payload: Payload) throws {
    switch payload.kind {
    case .introduction: self = .introduction(try payload.decoded())
    case .part: self = .part(try Part(payload: payload.header))
    case .heartbeat: self = .heartbeat
    default: return nil
    }
  }

  /// Whether it is a heartbeat.
  package var isHeartbeat: Bool { if case .heartbeat = self { true } else { false } }

  /// As the coordinator sends it.
  package var priority: Int {
    if case .part(let part) = self { CoordinatorMessage.part(part).priority } else { 0 }
  }

  /// Nothing: the coordinator has told.
  package var announcedFloats: Int? { nil }

  /// Nothing: the coordinator has told.
  package var announcedHeartbeat: (heartbeat: Double, bound: Double)? { nil }
}
