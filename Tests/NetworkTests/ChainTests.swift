import Coordination
import Foundation
import Network
import Primitives
import Testing
import Training
import Wire

extension NetworkTests {
  /// Workers that hand parts of updates on to each other, on real sockets.
  @Suite("Chain")
  struct Chain {
    /// A server, and workers that are ready and listen.
    private struct Table {
      let test: TestServer
      /// Of each link that is made.
      let secret = Secret.random()
      var workers: [(peer: PeerID, client: WorkerClient, inputs: Mailbox<WorkerInput>)] = []
      var listening: [Listening] = []

      init(_ count: Int, _ limits: Limits = .standard, key: Key? = nil) throws {
        test = try TestServer(limits, lock: key.map(ServerLock.key) ?? .open)
        for _ in 0..<count {
          let (peer, client, inputs) = try test.join(
            limits, lock: key.map { .key($0.fingerprint, $0.secret) } ?? .open)
          test.server.send(.welcome(welcome), to: [peer])
          guard case .message(.welcome)? = inputs.soon(),
            case .message(peer, .listens(let listening))? = test.mailbox.soon()
          else { throw NetworkError("it does not listen") }
          client.send(.ready(.none))
          guard case .message(peer, .ready)? = test.next() else { throw NetworkError("not ready") }
          workers.append((peer, client, inputs))
          self.listening.append(listening)
        }
      }

      func successor(_ index: Int, link: Int) -> Successor {
        Successor(link: link, host: "127.0.0.1", listening: listening[index], secret: secret)
      }

      /// Has a worker hand on to another one, and waits until that one says that it has its link.
      func link(_ from: Int, _ to: Int, _ number: Int) {
        permit(to, number)
        test.server.send(.successor(successor(to, link: number)), to: [workers[from].peer])
        #expect(report(of: to) == LinkReport(link: number))
      }

      /// Tells a worker of a link to it.
      func permit(_ worker: Int, _ number: Int) {
        let permit = LinkPermit(link: number, secret: secret)
        test.server.send(.predecessor(permit), to: [workers[worker].peer])
      }

      /// What a worker says next of a link.
      func report(of worker: Int) -> LinkReport? {
        while let input = test.next() {
          if case .message(workers[worker].peer, .link(let report)) = input { return report }
        }
        return nil
      }

      /// The index of each part that comes to a worker next.
      func parts(of worker: Int, _ count: Int) -> [Int] {
        var indices: [Int] = []
        while indices.count < count, case .message(.part(let part))? = workers[worker].inputs.soon()
        {
          indices.append(part.index)
        }
        return indices
      }
    }

    @Test(arguments: [false, true]) func eachPartIsSentOnceAndComesToAll(
      _ isLocked: Bool
    ) throws {
      let table = try Table(3, key: isLocked ? Key() : nil)
      table.link(0, 1, 1)
      table.link(1, 2, 2)
      let before = table.test.server.bytesSent
      for part in parts(.sum, 2_000_000) {
        table.test.server.send(.part(part), to: [table.workers[0].peer])
      }
      for worker in 0..<3 { #expect(table.parts(of: worker, 31) == Array(0..<31)) }
      #expect(table.test.server.bytesSent - before < 2_010_000)
      // A state is for one worker alone.
      table.test.server.send(weights(100_000), to: table.workers[0].peer)
      table.test.server.send(.finished, to: [table.workers[1].peer])
      guard case .message(.finished)? = table.workers[1].inputs.soon() else {
        Issue.record("something was handed on that is no update")
        return
      }
      // Nothing more goes to whom the coordinator has taken away.
      table.test.server.send(.successor(nil), to: [table.workers[0].peer])
      #expect(table.report(of: 1)?.failure != nil)
      table.test.server.send(.part(parts(.sum, 64)[0]), to: [table.workers[0].peer])
      table.test.server.send(.finished, to: [table.workers[1].peer])
      guard case .message(.finished)? = table.workers[1].inputs.soon() else {
        Issue.record("it hands on although it was told to stop")
        return
      }
      table.test.server.shutdown()
    }

    @Test func aWorkerThatIsGoneIsSaidToBe() throws {
      let table = try Table(3, limits(bound: 3))
      table.link(0, 1, 1)
      table.link(1, 2, 2)
      table.workers[1].client.close()
      let reports = [table.report(of: 0), table.report(of: 2)]
      #expect(Set(reports.compactMap { $0?.link }) == [1, 2], "\(reports)")
      #expect(reports.allSatisfy { $0?.failure != nil })
      // Nobody listens there any more.
      table.test.server.send(
        .successor(table.successor(1, link: 3)), to: [table.workers[0].peer])
      #expect(table.report(of: 0)?.failure?.contains("127.0.0.1:") == true)
      table.test.server.shutdown()
    }

    @Test func whoDoesNotKnowTheSecretHandsOnNothing() throws {
      let table = try Table(2)
      var wrong = table.successor(1, link: 1)
      wrong.secret = .random()
      table.permit(1, 1)
      table.test.server.send(.successor(wrong), to: [table.workers[0].peer])
      #expect(table.report(of: 0)?.link == 1)
      let stranger = try RawSocket(port: table.listening[1].port)
      stranger.send(Preface.bytes)
      try stranger.send(LinkMessage.part(parts(.sum, 64)[0]))
      #expect(stranger.receiveAll().readableBytes > 0)
      #expect(table.workers[1].inputs.next(timeout: .milliseconds(100)) == nil)
      table.test.server.shutdown()
    }

    /// A worker that introduces itself well, and then sends what it must not.
    @Test(arguments: ["a damaged part", "a state", "random bytes", "nothing"])
    func aLinkThatDoesHarmIsSaidToBeBroken(_ harm: String) throws {
      let table = try Table(1, limits(bound: 0.4))
      table.permit(0, 7)
      let before = try RawSocket(port: table.listening[0].port)
      before.send(Preface.bytes)
      try before.send(
        LinkMessage.introduction(LinkIntroduction(link: 7, secret: table.secret)))
      #expect(table.report(of: 0) == LinkReport(link: 7))
      let part = parts(.sum, 4000)[0]
      try before.send(LinkMessage.part(part))
      #expect(table.parts(of: 0, 1) == [0])
      switch harm {
      case "a damaged part":
        var bytes = try OutgoingMessage(LinkMessage.part(part)).frame(number: 2).bytes
        bytes.setInteger(0xFF as UInt8, at: bytes.readableBytes / 2)
        before.send(bytes)
      case "a state": try before.send(LinkMessage.part(parts(.state(buffer: 0), 64)[0]))
      case "random bytes": before.send(String(repeating: "x", count: 100))
      default: break
      }
      let report = try #require(table.report(of: 0))
      #expect(report.link == 7)
      let expected = [
        "a damaged part": "checksum", "a state": "part of no update", "random bytes": "damaged",
        "nothing": "silent for",
      ]
      #expect(report.failure?.contains(try #require(expected[harm])) == true, "\(report)")
      table.test.server.shutdown()
    }

    @Test func manyConnectionsToAWorkerAreFew() throws {
      let table = try Table(2)
      let strangers = try (0..<300).map { _ in try RawSocket(port: table.listening[1].port) }
      table.link(0, 1, 1)
      table.test.server.send(.part(parts(.sum, 64)[0]), to: [table.workers[0].peer])
      #expect(table.parts(of: 1, 1) == [0])
      #expect(strangers.count == 300)
      table.test.server.shutdown()
    }
  }
}
