import Foundation
import NIOCore
import Network
import Primitives
import Testing
import Training
import Wire

extension NetworkTests {
  /// Connections that are locked, and who tries them.
  @Suite("Locks")
  struct Locks {
    let key: Key
    let wrong: Secret

    init() throws {
      key = try Key()
      wrong = .random()
    }

    private var right: ClientLock { .key(key.fingerprint, key.secret) }

    @Test func whatIsSentArrivesBothWays() throws {
      let test = try TestServer(lock: .key(key))
      let (peer, client, inputs) = try test.join(lock: right)
      test.server.send(.welcome(welcome), to: [peer])
      test.server.send(weights(14_000_000), to: peer)
      guard case .message(.welcome)? = inputs.soon(), try inputs.weights(14_000_000) != nil else {
        Issue.record("other messages came")
        return
      }
      client.send(.ready(.none))
      client.send(gradient(step: 4, 9_000_000))
      guard case .message(peer, .ready)? = test.next(),
        let answer = test.nextGradients(1)?.first
      else {
        Issue.record("other messages came")
        return
      }
      #expect(try answer.parts.are(answer.header.digest, bytes: 9_000_000))
      // What was sent before an end arrives.
      test.server.send(weights(5_000_000), to: peer)
      test.server.send(.finished, to: [peer])
      test.server.shutdown()
      // The end is short: it overtakes numbers that still wait to be sent.
      guard let last = try inputs.weights(5_000_000) else {
        Issue.record("the last numbers did not arrive")
        return
      }
      var ending = last.overtaking[...]
      if ending.isEmpty, case .message(let message)? = inputs.soon() { ending = [message] }
      guard ending.count == 1, case .finished? = ending.first, case .closed? = inputs.soon() else {
        Issue.record("the last words did not arrive")
        return
      }
    }

    /// The time that TLS takes to say goodbye is not waited for.
    @Test func whoIsSilentIsLostInTime() throws {
      let test = try TestServer(limits(), lock: .key(key))
      let tap = try Tap(to: test.server.port)
      let client = try WorkerClient(
        host: "127.0.0.1", port: tap.port, lock: right, mailbox: Mailbox())
      client.send(.hello(hello))
      _ = try test.nextOpened()
      tap.isDeaf = true
      let start = Date()
      let reason = test.nextClosed()
      #expect(reason?.contains("for 0.") == true, "\(reason ?? "open")")
      #expect(Date().timeIntervalSince(start) < 2)
      withExtendedLifetime(client) {}
      test.server.shutdown()
    }

    @Test func aWorkerWithTheTokenOfAnotherRun() throws {
      let (test, other) = (try TestServer(lock: .key(key)), try Key())
      let error = #expect(throws: NetworkError.self) {
        try test.connect(lock: .key(other.fingerprint, other.secret))
      }
      #expect(error?.isWrongPeer == true)
      #expect(
        error?.description.contains("another key than the token names: the token is another run's")
          == true)
      #expect(test.log.line(with: "it does not know this key: its token is another run's") != nil)
      _ = try test.join(lock: right)
      test.server.shutdown()
    }

    @Test(arguments: [false, true]) func aWrongSecretIsTurnedAway(_ isLocked: Bool) throws {
      let test = try TestServer(lock: isLocked ? .key(key) : .secret(key.secret))
      let (client, inputs) = try test.connect(
        lock: isLocked ? .key(key.fingerprint, wrong) : .secret(wrong))
      client.send(.hello(hello))
      guard case .message(.refuse(let reason))? = inputs.soon(), case .closed? = inputs.soon()
      else {
        Issue.record("not turned away")
        return
      }
      #expect(reason == "its token is wrong: it is another run's")
      #expect(test.log.line(with: reason) != nil)
      #expect(test.mailbox.next(timeout: .milliseconds(50)) == nil)
      _ = try test.join(lock: isLocked ? right : .secret(key.secret))
      test.server.shutdown()
    }

    @Test func whoHasNoTokenIsTurnedAway() throws {
      let test = try TestServer(lock: .secret(key.secret))
      let (client, inputs) = try test.connect()
      client.send(.hello(hello))
      guard case .message(.refuse(let reason))? = inputs.soon() else {
        Issue.record("not turned away")
        return
      }
      #expect(reason.contains("it has no token"))
      #expect(test.log.line(with: reason) != nil)
      test.server.shutdown()
    }

    /// The secret is the transport's: the coordinator's rules and records never see it.
    @Test func theSecretStaysAtTheDoor() throws {
      let test = try TestServer(lock: .key(key))
      let (client, _) = try test.connect(lock: right)
      client.send(.hello(hello))
      guard case .opened? = test.next(), case .message(_, .hello(let heard))? = test.next() else {
        Issue.record("no hello")
        return
      }
      #expect(heard == hello && heard.secret == nil)
      test.server.shutdown()
    }

    @Test func manyWrongSecretsSlowTheirAddressDown() throws {
      let test = try TestServer(lock: .key(key))
      func trial(_ secret: Secret) throws -> WorkerInput? {
        let (client, inputs) = try test.connect(lock: .key(key.fingerprint, secret))
        client.send(.hello(hello))
        defer { client.close() }
        return inputs.next(timeout: .milliseconds(500))
      }
      for _ in 0..<10 {
        guard case .message(.refuse)? = try trial(wrong) else {
          Issue.record("not refused")
          return
        }
      }
      // Right or wrong, it is not looked at.
      for secret in [key.secret, wrong] {
        guard case .closed? = try trial(secret) else {
          Issue.record("not put off")
          return
        }
      }
      #expect(test.log.line(with: "too many wrong secrets came from its address") != nil)
      Thread.sleep(forTimeInterval: 1.1)
      _ = try test.join(lock: right)
      test.server.shutdown()
    }

    @Test func aWorkerThatSpeaksNoTLS() throws {
      let test = try TestServer(lock: .key(key))
      let (client, inputs) = try test.connect()
      client.send(.hello(hello))
      guard case .refused(let reason)? = inputs.soon() else {
        Issue.record("not refused")
        return
      }
      #expect(reason == Preface.speaksTLS)
      #expect(test.log.line(with: "it speaks no TLS") != nil)
      test.server.shutdown()
    }

    @Test func aCoordinatorThatSpeaksNoTLS() throws {
      let test = try TestServer()
      let error = #expect(throws: NetworkError.self) { try test.connect(lock: right) }
      #expect(error?.isWrongPeer == true)
      #expect(error?.description.contains("it speaks no TLS: its coordinator was") == true)
      #expect(test.log.line(with: Preface.speaksTLS) != nil)
      test.server.shutdown()
    }

    @Test(arguments: ["-tls1", "-tls1_1", "-tls1_2"]) func anOlderTLS(_ version: String) throws {
      let test = try TestServer(lock: .key(key))
      let client = Process()
      client.executableURL = URL(filePath: "/usr/bin/openssl")
      client.arguments = [
        "s_client", version, "-cipher", "ALL:@SECLEVEL=0", "-connect",
        "127.0.0.1:\(test.server.port)",
      ]
      client.standardInput = FileHandle.nullDevice
      (client.standardOutput, client.standardError) = (FileHandle.nullDevice, FileHandle.nullDevice)
      try client.run()
      client.waitUntilExit()
      #expect(client.terminationStatus != 0)
      #expect(test.log.line(with: "it speaks no TLS 1.3") != nil)
      test.server.shutdown()
    }

    /// All that is on the wire are records of TLS, and what was said once cannot be said again.
    @Test func aCaptureShowsNothingAndIsGoodForNothing() throws {
      let test = try TestServer(lock: .key(key))
      let tap = try Tap(to: test.server.port)
      let client = try WorkerClient(
        host: "127.0.0.1", port: tap.port, lock: right, mailbox: Mailbox())
      client.send(.hello(hello))
      let peer = try test.nextOpened()
      test.server.send(.welcome(welcome), to: [peer])
      test.server.send(weights(1_000_000), to: peer)
      while tap.bytes.down.count < 1_000_000 { usleep(1000) }
      client.send(.leaving)
      guard case .message(peer, .leaving)? = test.next() else {
        Issue.record("it does not leave")
        return
      }
      client.close()
      client.waitUntilClosed()
      let (up, down) = tap.bytes
      for (bytes, most) in [(up, 4000), (down, 2_000_000)] {
        #expect((100...most).contains(bytes.count), "\(bytes.count)")
        #expect(bytes.starts(with: [0x16, 0x03]))
        for word in ["DOGSLED", "here:1", "baseline", "rollback", "version"] {
          #expect(Data(bytes).range(of: Data(word.utf8)) == nil, "\(word)")
        }
        #expect(Data(bytes).range(of: Data(key.secret.description.utf8)) == nil)
        #expect(Self.areRecords(bytes))
      }
      let again = try RawSocket(port: test.server.port)
      again.send(ByteBuffer(bytes: up))
      _ = again.receiveAll()
      #expect(test.log.line(with: "rejected 127.0.0.1:") != nil)
      while let input = test.next(0.1) {
        if case .opened = input { Issue.record("it was let in") }
      }
      test.server.shutdown()
    }

    /// Whether they are whole records, of handshakes or of what is encrypted, but for a last one.
    private static func areRecords(_ bytes: [UInt8]) -> Bool {
      var rest = bytes[...]
      while rest.count >= 5 {
        let head = Array(rest.prefix(5))
        let length = Int(head[3]) << 8 | Int(head[4])
        guard (0x14...0x17).contains(head[0]), head[1] == 3, length <= 1 << 14 + 256 else {
          return false
        }
        rest = rest.dropFirst(5 + length)
      }
      return true
    }

    @Test func halfOpenConnectionsAndSlowDripsAreClosed() throws {
      let test = try TestServer(limits(), lock: .key(key))
      let silent = try RawSocket(port: test.server.port)
      _ = silent.receiveAll()
      #expect(test.log.line(with: "made no TLS handshake within 0.3 s") != nil)
      let drip = try RawSocket(port: test.server.port)
      // The beginning of a handshake.
      for byte in [0x16, 0x03, 0x01, 0x01, 0x00, 0x01, 0x00, 0x00, 0xFC, 0x03] as [UInt8] {
        drip.send(ByteBuffer(bytes: [byte]))
        Thread.sleep(forTimeInterval: 0.04)
      }
      _ = drip.receiveAll()
      _ = try test.join(limits(), lock: right)
      test.server.shutdown()
      // The second is told at the end: its minute is not over.
      #expect(
        test.log.lines.withLock { $0.count { $0.contains("made no TLS handshake") } } == 2)
    }

    @Test func noiseIsNoTLS() throws {
      let test = try TestServer(lock: .key(key))
      var draws = SystemRandomNumberGenerator()
      for first in [0x16, 0x17, 0x15, 0x00, 0x47] as [UInt8] {
        let noise = (0..<5000).map { _ in UInt8.random(in: 0...255, using: &draws) }
        let peer = try RawSocket(port: test.server.port)
        peer.send(ByteBuffer(bytes: [first, 3, 3] + noise))
        // It may look like the beginning of a longer record, whose end would be waited for.
        peer.closeOutput()
        _ = peer.receiveAll()
      }
      _ = try test.join(lock: right)
      test.server.shutdown()
      let lines = test.log.lines.withLock { $0 }
      let more = lines.compactMap { line in
        line.firstMatch(of: #/\(and (\d+) more such lines?\)/#).flatMap { Int($0.1) }
      }
      #expect(lines.count + more.reduce(0, +) == 5, "\(lines)")
      #expect(lines.allSatisfy { !$0.contains("\n") && $0.count < 200 })
    }
  }
}
