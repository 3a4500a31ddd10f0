import Coordination
import Engine
import Primitives
import Testing
import Wire

/// What a worker does with what it hands on.
@Suite struct RelayTests {
  private static let listening = Listening(port: 5, fingerprint: nil)
  private var relay = Relay(limits: World.limits, listening: Self.listening)

  private static func secret(_ byte: UInt8) -> Secret {
    Secret([UInt8](repeating: byte, count: Secret.byteCount)) ?? .random()
  }

  private static func permit(_ link: Int) -> CoordinatorMessage {
    .predecessor(LinkPermit(link: link, secret: secret(77)))
  }

  private static func introduction(_ link: Int, _ byte: UInt8 = 77) -> LinkMessage {
    .introduction(LinkIntroduction(link: link, secret: secret(byte)))
  }

  private enum World {
    static let limits: Limits = {
      var limits = Limits.standard
      limits.strangers = 2
      return limits
    }()
  }

  private static func part(_ content: Part.Content) -> Part {
    [Float](repeating: 1, count: 16).withUnsafeBufferPointer {
      Part(content, version: .init(update: 1), index: 2, floats: $0, bytesPerSecond: nil)
    }
  }

  /// Actions in words.
  private func words(_ actions: [Relay.Action]) -> [String] {
    actions.map { action in
      switch action {
      case .deliver(.part(let part)): "deliver \(part.content)"
      case .deliver(let message): "deliver \(message)".components(upTo: "(")
      case .tell(.listens(let listening)): "listens \(listening.port)"
      case .tell(.link(let report)): "link \(report.link) \(report.failure ?? "is up")"
      case .tell(let message): "tell \(message)"
      case .connect(let successor): "connect \(successor.host)"
      case .disconnect: "disconnect"
      case .handOn(.introduction(let introduction)):
        "introduce \(introduction.secret == Self.secret(99))"
      case .handOn(.part(let part)): "hand on \(part.content)"
      case .handOn(.heartbeat): "beat"
      case .close(let connection, let reason): "close \(connection): \(reason)"
      }
    }
  }

  private let next = Successor(
    link: 4, host: "10.0.0.3", listening: Listening(port: 6, fingerprint: nil),
    secret: secret(99))

  @Test mutating func `What comes of updates is handed on once there is a connection`() {
    let sum = CoordinatorMessage.part(Self.part(.sum))
    #expect(words(relay.received(sum)) == ["deliver sum"])
    #expect(words(relay.received(.successor(next))) == ["connect 10.0.0.3"])
    #expect(words(relay.received(sum)) == ["deliver sum"])
    #expect(words(relay.connected(next)) == ["introduce true"])
    #expect(words(relay.received(sum)) == ["hand on sum", "deliver sum"])
    let factor = CoordinatorMessage.part(Self.part(.gradient(step: 3)))
    #expect(
      words(relay.received(factor))
        == ["hand on gradient(step: 3)", "deliver gradient(step: 3)"])
    // A state is its receiver's alone.
    let state = CoordinatorMessage.part(Self.part(.state(buffer: 0)))
    #expect(words(relay.received(state)) == ["deliver state(buffer: 0)"])
    #expect(words(relay.received(.finished)) == ["deliver finished"])
    #expect(words(relay.received(.successor(nil))) == ["disconnect"])
    #expect(words(relay.received(sum)) == ["deliver sum"])
  }

  @Test mutating func `A link that fails is told of, where it is the present one`() {
    _ = relay.received(.successor(next))
    #expect(words(relay.failed(link: 3, reason: "old")) == [])
    #expect(words(relay.failed(link: 4, reason: "refused")) == ["link 4 refused"])
    #expect(words(relay.failed(link: 4, reason: "refused")) == [])
    // A connection that is there too late is nobody's.
    #expect(words(relay.connected(next)) == [])
    #expect(relay.link == nil)
  }

  @Test mutating func `Who knows the secret is the one before, and what it hands on counts`() {
    let sum = LinkMessage.part(Self.part(.sum))
    #expect(words(relay.accepted(connection: 1)) == [])
    #expect(words(relay.received(sum, from: 1)) == [])
    #expect(words(relay.received(Self.permit(8))) == [])
    for wrong in [Self.introduction(8, 76), Self.introduction(1)] {
      #expect(
        words(relay.received(wrong, from: 1))
          == ["close 1: it does not know the secret of a link"])
    }
    #expect(words(relay.received(Self.introduction(8), from: 1)) == ["link 8 is up"])
    // A secret is for one use.
    #expect(
      words(relay.received(Self.introduction(8), from: 2))
        == ["close 2: it does not know the secret of a link"])
    #expect(words(relay.received(sum, from: 1)) == ["deliver sum"])
    #expect(words(relay.received(.heartbeat, from: 1)) == [])
    #expect(
      words(relay.received(.part(Self.part(.state(buffer: 0))), from: 1))
        == ["close 1: it sent a part of no update"])
    #expect(words(relay.closed(connection: 1, reason: "silent")) == ["link 8 silent"])
    #expect(words(relay.closed(connection: 1, reason: "silent")) == [])
    #expect(words(relay.received(sum, from: 1)) == [])
  }

  @Test mutating func `Who is quicker than the coordinator's word of it waits`() {
    for connection in 1...2 { _ = relay.accepted(connection: connection) }
    #expect(words(relay.received(Self.introduction(8), from: 1)) == [])
    #expect(words(relay.received(Self.introduction(9, 5), from: 2)) == [])
    let sum = LinkMessage.part(Self.part(.sum))
    #expect(words(relay.received(sum, from: 1)) == [])
    #expect(words(relay.received(Self.permit(8))) == ["link 8 is up"])
    #expect(words(relay.received(sum, from: 1)) == ["deliver sum"])
    #expect(
      words(relay.received(Self.permit(9)))
        == ["close 2: it does not know the secret of a link"])
    // The coordinator's word of an older link changes nothing.
    #expect(words(relay.received(Self.permit(7))) == [])
    #expect(
      words(relay.received(Self.introduction(7), from: 2))
        == ["close 2: it does not know the secret of a link"])
  }

  @Test mutating func `A newer link takes the place of the one before`() {
    for (connection, link) in [(1, 8), (2, 9)] {
      _ = relay.accepted(connection: connection)
      _ = relay.received(Self.permit(link))
      let said = relay.received(Self.introduction(link), from: connection)
      let closing = link == 9 ? ["close 1: another worker took its place"] : []
      #expect(words(said) == closing + ["link \(link) is up"])
    }
    #expect(words(relay.closed(connection: 1, reason: nil)) == [])
    #expect(words(relay.received(.part(Self.part(.sum)), from: 1)) == [])
    #expect(words(relay.received(.part(Self.part(.sum)), from: 2)) == ["deliver sum"])
    #expect(words(relay.closed(connection: 2, reason: nil)) == ["link 9 it was closed"])
  }

  @Test mutating func `Of strangers the oldest makes room`() {
    #expect(words(relay.accepted(connection: 1)) == [])
    #expect(words(relay.accepted(connection: 2)) == [])
    #expect(
      words(relay.accepted(connection: 3))
        == ["close 1: closed to make room for newer connections"])
    _ = relay.closed(connection: 2, reason: nil)
    #expect(words(relay.accepted(connection: 4)) == [])
  }

  @Test mutating func `Who listens says so once it is welcome`() {
    let welcome = CoordinatorMessage.welcome(
      Welcome(
        worker: 1, model: "{}", floats: 16, optimizer: RMSprop(), batchSize: 1,
        batchesPerUpdate: 1, pictures: "", augmentation: "", seed: 1, manifest: "{}"))
    #expect(words(relay.received(welcome)) == ["deliver welcome", "listens 5"])
    var mute = Relay(limits: .standard, listening: nil)
    #expect(words(mute.received(welcome)) == ["deliver welcome"])
    #expect(
      words(mute.received(Self.introduction(1), from: 1))
        == ["close 1: it does not know the secret of a link"])
  }
}

extension String {
  /// All before the first `mark`.
  fileprivate func components(upTo mark: Character) -> String { String(prefix { $0 != mark }) }
}
