import Coordination
import Testing
import Wire

/// Who may take a place, on a clock of the test's own.
@Suite struct AdmissionTests {
  private func admission(workers: Int = 3, strangers: Int = 2) -> Admission {
    var limits = Limits.standard
    (limits.connections, limits.strangers, limits.readyTimeout) = (workers, strangers, 60)
    return Admission(limits: limits)
  }

  private func peer(_ number: Int) -> PeerID { PeerID(raw: number) }

  /// Has peers connect and say hello at once, each from its host.
  private func join(_ admission: inout Admission, _ hosts: [String]) {
    for (number, host) in hosts.enumerated() {
      _ = admission.connected(peer(number))
      let answer = admission.hello(peer(number), host: host, now: .seconds(number))
      #expect(answer == .announce(readyBy: .seconds(number + 60), evicted: nil))
    }
  }

  // MARK: The secret

  private func hello(_ secret: Secret?) -> WorkerMessage {
    var hello = Hello(version: "1", name: "a", process: 1, threads: 1, kernels: "baseline")
    hello.secret = secret
    return .hello(hello)
  }

  @Test func `Who does not know the secret is turned away, and told why`() throws {
    let right = Secret.random()
    var admission = Admission(limits: .standard, secret: right)
    for (number, secret, reason) in [
      (0, nil, "it has no token: start it with the token of this run"),
      (1, Secret.random(), "its token is wrong: it is another run's"),
    ] {
      _ = admission.connected(peer(number))
      let answer = admission.heard(
        hello(secret), from: peer(number), host: "a", now: .zero)
      #expect(answer == .turnAway(reason: reason))
      #expect(!admission.isWorker(peer(number)))
      // Whatever ends the connection then.
      #expect(admission.closed(peer(number), reason: nil) == .stranger(reason: reason))
    }
    _ = admission.connected(peer(2))
    let answer = admission.heard(hello(right), from: peer(2), host: "a", now: .zero)
    #expect(answer == .announce(readyBy: .seconds(600), evicted: nil))
  }

  @Test func `After ten wrong secrets an address is heard after longer and longer pauses`() {
    let (right, wrong) = (Secret.random(), Secret.random())
    var admission = Admission(limits: .standard, secret: right)
    var number = 0
    func hear(_ secret: Secret, _ host: String, _ now: Duration) -> Admission.MessageAction {
      number += 1
      _ = admission.connected(peer(number))
      defer { _ = admission.closed(peer(number), reason: "gone") }
      return admission.heard(hello(secret), from: peer(number), host: host, now: now)
    }
    let refusal = Admission.MessageAction.turnAway(
      reason: "its token is wrong: it is another run's")
    for _ in 0..<10 { #expect(hear(wrong, "a", .zero) == refusal) }
    var now = Duration.zero
    for pause in [1, 2, 4, 8, 16, 32, 60, 60] {
      for (secret, time) in [(wrong, now), (right, now + .seconds(pause) - .milliseconds(1))] {
        guard case .putOff(let reason) = hear(secret, "a", time) else {
          Issue.record("heard after \(time - now) of \(pause) s")
          return
        }
        #expect(reason.hasPrefix("too many wrong secrets came from its address: "))
      }
      // Others are heard.
      #expect(hear(wrong, "b\(pause) \(now)", now) == refusal)
      now += .seconds(pause)
      #expect(hear(wrong, "a", now) == refusal)
    }
    guard case .announce = hear(right, "a", now + .seconds(60)) else {
      Issue.record("never heard again")
      return
    }
    // In the end it is forgotten.
    now += .seconds(700)
    for _ in 0..<10 { #expect(hear(wrong, "a", now) == refusal) }
  }

  // MARK: Places

  @Test func `Of too many strangers the oldest goes`() {
    var admission = admission()
    let first = [admission.connected(peer(0)), admission.connected(peer(1))]
    #expect(first == [nil, nil])
    let third = admission.connected(peer(2))
    #expect(third?.peer == peer(0))
    #expect(third?.reason == "closed to make room for newer connections")
    let gone = admission.closed(peer(0), reason: third?.reason)
    #expect(gone == .stranger(reason: "closed to make room for newer connections"))
    // Who has said hello is no stranger any more, nor one that is gone.
    _ = admission.hello(peer(1), host: "a", now: .zero)
    let fourth = admission.connected(peer(3))
    _ = admission.closed(peer(2), reason: "x")
    let later = [admission.connected(peer(4)), admission.connected(peer(5))]
    #expect(fourth == nil && later.map(\.?.peer) == [nil, peer(3)])
  }

  @Test func `A worker that is ready keeps its place, and one more is turned away`() {
    var admission = admission()
    join(&admission, ["a", "a", "a"])
    for number in 0..<3 { admission.ready(peer(number)) }
    _ = admission.connected(peer(3))
    let full = "the coordinator has all 3 workers that it takes"
    let answer = admission.hello(peer(3), host: "b", now: .seconds(9))
    #expect(answer == .turnAway(reason: full))
    #expect(!admission.isWorker(peer(3)))
    let turnedAway = admission.closed(peer(3), reason: nil)
    #expect(turnedAway == .stranger(reason: full))
    let gone = admission.closed(peer(1), reason: "silent for 3.0 s")
    #expect(gone == .worker(reason: "silent for 3.0 s"))
    let next = admission.hello(peer(4), host: "b", now: .seconds(9))
    #expect(next == .announce(readyBy: .seconds(69), evicted: nil))
  }

  @Test func `The oldest that is not ready makes room, of the host that has most of them`() {
    var admission = admission(workers: 6)
    join(&admission, ["a", "crowd", "crowd", "b", "crowd", "a"])
    admission.ready(peer(0))
    // Three of the crowd are not ready, one of each of the others.
    var evicted: [Int?] = []
    for number in 6..<9 {
      let answer = admission.hello(peer(number), host: "c\(number)", now: .seconds(9))
      guard case .announce(_, let eviction) = answer else {
        Issue.record("\(answer)")
        continue
      }
      evicted.append(eviction?.peer.raw)
      #expect(eviction?.reason == "it was not ready, and made room for another worker")
    }
    // Of hosts that have as many the one whose oldest is oldest.
    #expect(evicted == [1, 2, 3])
  }

  @Test func `Who is asked to go keeps no place, though it is still there`() {
    var admission = admission(workers: 1)
    join(&admission, ["a"])
    admission.ready(peer(0))
    admission.leaves(peer(0))
    let answer = admission.hello(peer(1), host: "b", now: .seconds(9))
    #expect(answer == .announce(readyBy: .seconds(69), evicted: nil))
    #expect(admission.isWorker(peer(0)))
    // It gets its place back by no word of its own, and there is no other bound for it.
    admission.ready(peer(0))
    let overdue = admission.overdue(peer(0), now: .seconds(1000))
    #expect(overdue == nil)
    let second = admission.hello(peer(2), host: "c", now: .seconds(9))
    guard case .announce(_, let evicted?) = second else {
      Issue.record("\(second)")
      return
    }
    #expect(evicted.peer == peer(1))
    let gone = admission.closed(peer(0), reason: nil)
    #expect(gone == .worker(reason: "the coordinator closed the connection"))
  }

  @Test func `A worker has a minute to be ready`() {
    var admission = admission()
    join(&admission, ["a", "a"])
    #expect(admission.readyBy(peer(1)) == .seconds(61))
    let early = admission.overdue(peer(1), now: .seconds(60.9))
    #expect(early == nil)
    admission.ready(peer(0))
    #expect(admission.readyBy(peer(0)) == nil)
    let (ready, idle) = (
      admission.overdue(peer(0), now: .seconds(99)), admission.overdue(peer(1), now: .seconds(61))
    )
    #expect(ready == nil)
    #expect(idle?.peer == peer(1) && idle?.reason == "it was not ready within 60.0 s")
    #expect(admission.readyBy(peer(7)) == nil)
  }

  @Test func `At the end strangers hear that the run is over`() {
    var admission = admission()
    _ = admission.connected(peer(0))
    admission.end()
    let gone = admission.closed(peer(0), reason: nil)
    #expect(gone == .stranger(reason: "the run is over"))
  }
}

extension Admission {
  fileprivate mutating func hello(_ peer: PeerID, host: String, now: Duration) -> MessageAction {
    let hello = Hello(version: "1.0", name: "\(peer)", process: 1, threads: 1, kernels: "baseline")
    return heard(.hello(hello), from: peer, host: host, now: now)
  }

  fileprivate mutating func ready(_ peer: PeerID) {
    let action = heard(
      .ready(.none), from: peer, host: "x",
      now: .zero)
    #expect(action == .deliver)
  }
}
