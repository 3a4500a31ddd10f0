import Foundation
import NIOCore
import Network
import Primitives
import Testing
import Training
import Wire

extension NetworkTests {
  @Suite("Hostile and broken peers")
  struct HostilePeers {
    @Test func strangersAreTurnedAway() throws {
      let test = try TestServer(limits())
      let browser = try RawSocket(port: test.server.port)
      browser.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
      let answer = browser.receiveAll()
      #expect(answer.readableBytes <= 8 + 5 * 10)
      #expect(test.log.line(with: "no Dogsled program")?.contains("GET / HTTP") == true)

      let silent = try RawSocket(port: test.server.port)
      _ = silent.receiveAll()
      #expect(test.log.line(with: "sent no valid hello within 0.3 s") != nil)

      let alive = try RawSocket(port: test.server.port)
      alive.send(Preface.bytes)
      for _ in 0..<8 {
        alive.send(OutgoingMessage.heartbeat)
        Thread.sleep(forTimeInterval: 0.05)
      }
      #expect(test.log.lines.withLock { $0.count { $0.contains("no valid hello") } } == 1)
      // None of them reached the coordinator, and a worker still can.
      _ = try test.join()
      test.server.shutdown()
    }

    /// A thousand strangers are a few lines; none is left uncounted.
    @Test func manyStrangersAreFewLines() throws {
      let test = try TestServer(limits())
      for _ in 0..<200 {
        let peer = try RawSocket(port: test.server.port)
        peer.send("GET /\(Int.random(in: 0...1000)) HTTP/1.1\r\n\r\n")
        _ = peer.receiveAll()
      }
      test.server.shutdown()
      let lines = test.log.lines.withLock { $0 }
      // The first, and at the end how many more there were.
      #expect((2...4).contains(lines.count), "\(lines.count)")
      #expect(lines.allSatisfy { $0.contains("no Dogsled program") && $0.utf8.count < 200 })
      let more = lines.compactMap { line in
        line.firstMatch(of: #/\(and (\d+) more such lines?\)/#).flatMap { Int($0.1) }
      }
      #expect(lines.count + more.reduce(0, +) == 200)
    }

    @Test func coordinatorOfAnotherVersion() throws {
      let (listener, port) = try RawSocket.listening()
      let inputs = Mailbox<WorkerInput>()
      let client = try WorkerClient(host: "127.0.0.1", port: port, lock: .open, mailbox: inputs)
      let (peer, other) = (listener.accepted(), Preface.version + 1)
      peer.send(Preface.bytes(version: other))
      guard case .closed(let reason)? = inputs.soon() else {
        Issue.record("not closed")
        return
      }
      #expect(
        reason.contains(
          "version \(other) of Dogsled's protocol, this program version \(Preface.version)"))
      withExtendedLifetime(client) {}
    }

    /// A worker of another version is told ours, though it went on sending.
    @Test func workerOfAnotherVersion() throws {
      let (test, other) = (try TestServer(), Preface.version + 1)
      for _ in 0..<20 {
        let peer = try RawSocket(port: test.server.port)
        peer.send(Preface.bytes(version: other))
        try peer.send(WorkerMessage.hello(hello))
        peer.send(ByteBuffer(repeating: 1, count: 100_000))
        let answer = peer.receiveAll()
        #expect(answer.readableBytesView.prefix(8).elementsEqual(Preface.bytes.readableBytesView))
      }
      let line = test.log.line(
        with: "version \(other) of Dogsled's protocol, this program version \(Preface.version)")
      #expect(line?.contains("install the same version") == true)
      test.server.shutdown()
    }

    @Test func silentPeerIsLost() throws {
      let test = try TestServer(limits())
      let peer = try RawSocket(port: test.server.port)
      peer.send(Preface.bytes)
      try peer.send(WorkerMessage.hello(hello))
      _ = try test.nextOpened()
      let start = Date()
      let reason = test.nextClosed()
      let time = Date().timeIntervalSince(start)
      #expect((0.3..<5).contains(time), "\(time) s")
      #expect(reason?.hasPrefix("silent for 0.") == true, "\(reason ?? "open")")
      test.server.shutdown()
    }

    @Test func silentCoordinatorIsLost() throws {
      let (listener, port) = try RawSocket.listening()
      let inputs = Mailbox<WorkerInput>()
      let client = try WorkerClient(
        host: "127.0.0.1", port: port, lock: .open, limits: limits(), mailbox: inputs)
      let coordinator = listener.accepted()
      guard case .closed(let reason)? = inputs.soon() else {
        Issue.record("not closed")
        return
      }
      #expect(reason.hasPrefix("lost the coordinator: silent for 0."))
      withExtendedLifetime((client, coordinator)) {}
    }

    /// Idle connections stay open, on heartbeats alone, with the bound that the welcome names.
    @Test func heartbeatsKeepAConnection() throws {
      let test = try TestServer(limits())
      let (peer, client, inputs) = try test.join(limits(heartbeat: 0.05, bound: 10))
      test.server.send(.welcome(welcome), to: [peer])
      guard case .message(.welcome(let received))? = inputs.soon() else {
        Issue.record("no welcome")
        return
      }
      #expect((received.heartbeat, received.heartbeatBound) == (0.05, 0.4))
      #expect(test.next(1.2) == nil)
      #expect(inputs.next(timeout: .milliseconds(1)) == nil)
      client.close()
      test.server.shutdown()
    }

    /// A peer that lives and does not read is lost as well, and with it what waits for it.
    @Test func peerThatDoesNotReadIsLost() throws {
      let test = try TestServer(limits())
      let peer = try RawSocket(port: test.server.port)
      peer.send(Preface.bytes)
      try peer.send(WorkerMessage.hello(hello))
      let id = try test.nextOpened()
      let message = weights(13_000_000)
      for _ in 0..<20 { test.server.send(message, to: id) }
      var reason: String?
      for _ in 0..<100 where reason == nil {
        peer.send(OutgoingMessage.heartbeat)
        if case .closed(_, let text)? = test.next(0.05) { reason = text }
      }
      #expect(reason?.hasPrefix("took none of what was sent for 0.") == true, "\(reason ?? "open")")
      test.server.shutdown()
    }

    @Test func queueHasALimit() throws {
      var limits = Limits.standard
      limits.queued = 30_000_000
      let test = try TestServer(limits)
      let peer = try RawSocket(port: test.server.port)
      peer.send(Preface.bytes)
      try peer.send(WorkerMessage.hello(hello))
      let id = try test.nextOpened()
      for _ in 0..<4 { test.server.send(weights(13_000_000), to: id) }
      #expect(test.nextClosed()?.contains("bytes wait to be sent") == true)
      test.server.shutdown()
    }

    /// Heartbeats come between the parts that a slow peer reads.
    @Test func heartbeatsBetweenParts() throws {
      let test = try TestServer(limits(heartbeat: 0.02, bound: 5))
      let peer = try RawSocket(port: test.server.port)
      peer.send(Preface.bytes)
      try peer.send(WorkerMessage.hello(hello))
      let id = try test.nextOpened()
      test.server.send(.welcome(welcome), to: [id])
      test.server.send(weights(15_000_000), to: id)
      var all = ByteBuffer()
      while all.readableBytes < 15_000_000 {
        all.writeImmutableBuffer(peer.receive(1 << 18))
        Thread.sleep(forTimeInterval: 0.003)
      }
      all.moveReaderIndex(forwardBy: 8)
      var kinds: [UInt8] = []
      while let length: UInt32 = all.readInteger(), let kind: UInt8 = all.readInteger(),
        all.readSlice(length: Int(length) + 4) != nil
      {
        kinds.append(kind)
      }
      let parts = kinds[(kinds.firstIndex(of: 34) ?? 0)..<(kinds.lastIndex(of: 34) ?? 0)]
      #expect(parts.count { $0 == 33 } > 3, "\(kinds)")
      #expect(parts.allSatisfy { $0 == 33 || $0 == 34 })
      test.server.shutdown()
    }

    /// Nobody has memory taken for numbers who has not said that it is ready.
    @Test func numbersBeforeReadyAreNotWaitedFor() throws {
      let test = try TestServer()
      let peer = try RawSocket(port: test.server.port)
      peer.send(Preface.bytes)
      try peer.send(WorkerMessage.hello(hello))
      _ = try test.nextOpened()
      try peer.send(gradient(step: 0, 1_000_000))
      #expect(test.nextClosed()?.contains("received numbers before it was ready") == true)
      test.server.shutdown()
    }

    @Test func brokenConversationEndsThatConnectionOnly() throws {
      let test = try TestServer()
      let (good, client, inputs) = try test.join()
      let peer = try RawSocket(port: test.server.port)
      peer.send(Preface.bytes)
      try peer.send(WorkerMessage.hello(hello))
      _ = try test.nextOpened()
      try peer.send(WorkerMessage.ready(.none))
      let twice = try OutgoingMessage(gradient(step: 0, 1000)[0]).frame(number: 2).bytes
      peer.send(twice)
      peer.send(twice)
      #expect(test.nextClosed()?.contains("out of turn") == true)
      test.server.send(.finished, to: [good])
      guard case .message(.finished)? = inputs.soon() else {
        Issue.record("the good worker was lost as well")
        return
      }
      withExtendedLifetime(client) {}
      test.server.shutdown()
    }
  }
}
