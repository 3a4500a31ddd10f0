import Coordination
import Foundation
import NIOCore
import Network
import Primitives
import Testing
import Training
import Wire

extension NetworkTests {
  @Suite("Conversations")
  struct Conversations {
    @Test func messagesBothWays() throws {
      let test = try TestServer()
      let (peer, client, inputs) = try test.join()
      let work = AssignedWork(
        .gradient(step: 4, pictures: [[1, 2]]), weightsVersion: .init(update: 1))
      test.server.send(.welcome(welcome), to: [peer])
      test.server.send(weights(14_000_000), to: peer)
      test.server.send(.work(work), to: [peer])
      guard case .message(.welcome)? = inputs.soon(),
        let (_, overtaking) = try inputs.weights(14_000_000)
      else {
        Issue.record("other messages came")
        return
      }
      // The work is for whoever holds the weights already: it does not wait for those of others.
      guard overtaking.count == 1, case .work(work) = overtaking[0] else {
        Issue.record("\(overtaking)")
        return
      }

      client.send(.ready(.none))
      let held = HeldWeights(version: .init(update: 1), digest: .ofNothing)
      client.send(.holds(held))
      client.send(gradient(step: 4, 9_000_000))
      guard case .message(peer, .ready)? = test.next(),
        case .message(peer, .holds(held))? = test.next(),
        let answer = test.nextGradients(1)?.first
      else {
        Issue.record("other messages came")
        return
      }
      #expect(answer.peer == peer)
      #expect(try answer.parts.are(answer.header.digest, bytes: 9_000_000))
      #expect(overhead(14_000_000).contains(test.server.bytesSent))
      #expect(overhead(9_000_000).contains(test.server.bytesReceived))
      client.close()
      #expect(test.nextClosed() == "it closed the connection")
      test.server.shutdown()
    }

    @Test func manyWorkersAtOnce() throws {
      let test = try TestServer()
      let clients = try (0..<8).map { _ in try test.joinReady() }
      let threads = clients.map { _, client, _ in
        Thread {
          for step in 0..<5 { client.send(gradient(step: step, 1_500_000 + 4 * step)) }
        }
      }
      for thread in threads { thread.start() }
      let messages = weights(5_000_000)
      for (peer, _, _) in clients { test.server.send(.welcome(welcome), to: [peer]) }
      for message in messages { test.server.send(message, to: clients.map(\.peer)) }
      var steps: [PeerID: [Int]] = [:]
      for (peer, header, parts) in try #require(test.nextGradients(40)) {
        #expect(try parts.are(header.digest, bytes: 1_500_000 + 4 * header.step))
        steps[peer, default: []].append(header.step)
      }
      #expect(
        steps == Dictionary(uniqueKeysWithValues: clients.map { ($0.peer, [0, 1, 2, 3, 4]) }))
      for (_, client, inputs) in clients {
        guard case .message(.welcome)? = inputs.soon(), try inputs.weights(5_000_000) != nil else {
          Issue.record("no weights came")
          return
        }
        client.close()
      }
      test.server.shutdown()
    }

    /// What is sent to everybody reaches everybody, also where one of them is gone.
    @Test func whoIsGoneKeepsNobodyFromTheRest() throws {
      let test = try TestServer()
      let (gone, here) = (try test.joinReady(), try test.joinReady())
      gone.1.close()
      #expect(test.nextClosed() == "it closed the connection")
      test.server.send(.finished, to: [gone.peer, PeerID(raw: 77), here.peer])
      guard case .message(.finished)? = here.2.soon() else {
        Issue.record("nothing came")
        return
      }
      test.server.shutdown()
    }

    /// Where the peer is this machine nobody saves bytes.
    @Test func loopbackCarriesAnything() throws {
      let test = try TestServer(limits(heartbeat: 0.02, bound: 5))
      let (_, client, _) = try test.joinReady()
      for _ in 0..<500 where test.server.bytesPerSecond == nil || client.bytesPerSecond == nil {
        Thread.sleep(forTimeInterval: 0.01)
      }
      #expect(test.server.bytesPerSecond == .infinity)
      #expect(client.bytesPerSecond == .infinity)
      client.close()
      test.server.shutdown()
    }

    /// What was sent before a close arrives, though the other side is still sending.
    @Test func lastWordsArrive() throws {
      for _ in 0..<10 {
        let test = try TestServer()
        let (peer, client, inputs) = try test.joinReady()
        test.server.send(.welcome(welcome), to: [peer])
        for step in 0..<4 { client.send(gradient(step: step, 3_000_000)) }
        test.server.send(weights(3_000_000), to: peer)
        test.server.send(.finished, to: [peer])
        test.server.close(peer)
        #expect(try lastWords(inputs, 3_000_000))
        #expect(test.nextClosed() == "the coordinator closed the connection")
        test.server.shutdown()
      }
    }

    /// Whether a welcome came, weights of so many bytes, that the run is over, and then the end.
    private func lastWords(_ inputs: Mailbox<WorkerInput>, _ byteCount: Int) throws -> Bool {
      guard case .message(.welcome)? = inputs.soon(),
        case .message(.weights(let header, nil))? = inputs.soon()
      else { return false }
      var (parts, isOver) = ([Part](), false)
      while case .message(let message)? = inputs.soon() {
        switch message {
        case .part(let part): parts.append(part)
        case .finished where !isOver: isOver = true
        default: return false
        }
      }
      return try isOver && parts.are(header.digest, bytes: byteCount)
    }

    @Test func shutdownSendsWhatWaits() throws {
      let test = try TestServer()
      let (peer, _, inputs) = try test.join()
      let port = test.server.port
      test.server.send(.welcome(welcome), to: [peer])
      test.server.send(weights(14_000_000), to: peer)
      test.server.send(.finished, to: [peer])
      test.server.shutdown()
      #expect(try lastWords(inputs, 14_000_000))
      #expect(throws: NetworkError.self) {
        try WorkerClient(host: "127.0.0.1", port: port, lock: .open, mailbox: Mailbox())
      }
      // The port is free at once.
      let again = try CoordinatorServer(
        host: "127.0.0.1", port: port, lock: .open, mailbox: Mailbox())
      again.shutdown()
    }

    @Test func workersLastWordArrives() throws {
      let test = try TestServer()
      let (peer, client, inputs) = try test.joinReady()
      client.send(gradient(step: 1, 10_000_000))
      client.send(.leaving)
      client.close()
      client.waitUntilClosed()
      guard let gradient = test.nextGradients(1)?.first, gradient.peer == peer,
        try gradient.parts.are(gradient.header.digest, bytes: 10_000_000),
        case .message(peer, .leaving)? = test.next(),
        case .closed(peer, _)? = test.next()
      else {
        Issue.record("the last words did not arrive")
        return
      }
      // Whoever closed is told no more.
      #expect(inputs.next(timeout: .milliseconds(100)) == nil)
      client.send(.ready(.none))
      test.server.send(.finished, to: [peer])
      test.server.close(peer)
      test.server.shutdown()
    }

    @Test func tooManyWorkers() throws {
      var limits = Limits.standard
      limits.connections = 1
      let test = try TestServer(limits)
      let (_, first, _) = try test.joinReady()
      let (second, inputs) = try test.connect()
      second.send(.hello(hello))
      guard case .message(.refuse(let reason))? = inputs.soon(), case .closed? = inputs.soon()
      else {
        Issue.record("not turned away")
        return
      }
      #expect(reason == "the coordinator has all 1 workers that it takes")
      first.close()
      #expect(test.nextClosed() != nil)
      _ = try test.join()
      test.server.shutdown()
    }

    /// Of three that are there the oldest that is not ready makes room, and tells the coordinator.
    @Test func whoIsNotReadyMakesRoom() throws {
      var limits = Limits.standard
      limits.connections = 3
      let test = try TestServer(limits)
      let (_, first, _) = try test.joinReady()
      let idle = try (0..<2).map { _ in try test.join() }
      var newer: [WorkerClient] = []
      for old in idle {
        let (client, _) = try test.connect()
        client.send(.hello(hello))
        newer.append(client)
        var (opened, closed): (PeerID?, PeerID?)
        while opened == nil || closed == nil, let input = test.next() {
          switch input {
          case .opened(let peer, _): opened = peer
          case .closed(let peer, let reason):
            closed = peer
            #expect(reason == "it was not ready, and made room for another worker")
          default: break
          }
        }
        #expect(closed == old.peer && opened != nil)
      }
      withExtendedLifetime((first, newer)) {}
      test.server.shutdown()
    }

    @Test func whoIsNotReadyInTimeIsLost() throws {
      var limits = Limits.standard
      limits.readyTimeout = 0.4
      let test = try TestServer(limits)
      let (_, first, _) = try test.joinReady()
      let (idle, second, _) = try test.join()
      guard case .closed(let peer, let reason)? = test.next() else {
        Issue.record("not closed")
        return
      }
      #expect(peer == idle && reason == "it was not ready within 0.4 s")
      #expect(test.next(0.3) == nil)
      withExtendedLifetime((first, second)) {}
      test.server.shutdown()
    }

    @Test func wrongUse() throws {
      let test = try TestServer()
      let port = test.server.port
      let inUse = #expect(throws: NetworkError.self) {
        try CoordinatorServer(host: "127.0.0.1", port: port, lock: .open, mailbox: Mailbox())
      }
      #expect(inUse?.description.contains("127.0.0.1:\(port): the port is in use") == true)
      test.server.shutdown()
      let refused = #expect(throws: NetworkError.self) {
        try WorkerClient(host: "127.0.0.1", port: port, lock: .open, mailbox: Mailbox())
      }
      #expect(refused?.description.contains("connection refused: no coordinator") == true)
      let unknown = #expect(throws: NetworkError.self) {
        try WorkerClient(host: "no-such-host.invalid", port: 1, lock: .open, mailbox: Mailbox())
      }
      #expect(unknown?.description.contains("no machine is known by that name") == true)
      let elsewhere = #expect(throws: NetworkError.self) {
        try CoordinatorServer(host: "192.0.2.1", port: 0, lock: .open, mailbox: Mailbox())
      }
      #expect(elsewhere?.description.contains("this machine has no such address") == true)
    }
  }
}
