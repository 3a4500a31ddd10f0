import Primitives
import Wire

/// Who may take a place at a coordinator.
///
/// There is a limit for peers that have not said who they are, and another for those that have. Who
/// says hello must know the run's secret, where there is one.
///
/// Rules alone: the server closes whom they evict, and tells the coordinator of workers.
package struct Admission: Sendable {
  /// One who has to go, and what it is told.
  package struct Eviction: Equatable, Sendable {
    package let peer: PeerID
    package let reason: String
  }

  /// What to do with a message.
  package enum MessageAction: Equatable {
    /// Give it to the coordinator.
    case deliver
    /// The same, and tell it first that there is a worker, which has until then to be ready; where
    /// all places were taken, somebody makes room.
    case announce(readyBy: Duration, evicted: Eviction?)
    /// Nothing, tell it why, and close the connection: it need not try again.
    case turnAway(reason: String)
    /// Nothing, and close the connection without a word: it may try again.
    case putOff(reason: String)
  }

  /// Who is gone, and why.
  package enum Departure: Equatable {
    case worker(reason: String)
    /// One that never was a worker.
    case stranger(reason: String)
  }

  private enum Progress {
    case gettingReady(until: Duration)
    case ready
    /// It was asked to go: however slowly it reads that, it keeps no place.
    case leaving
  }

  private let limits: Limits
  private let secret: Secret?
  private var guesses = Guesses()
  /// Why those were turned away that are still connected.
  private var turnedAway: [PeerID: String] = [:]
  /// Those that have not said who they are, by age.
  private var strangers: [PeerID] = []
  /// Those that said hello, with where they connect from, without the port.
  private var workers: [PeerID: (host: String, progress: Progress)] = [:]
  private var isOver = false

  /// Nobody is there.
  /// - Parameter secret: what a hello must hold; nil where anybody may take part.
  package init(limits: Limits, secret: Secret? = nil) {
    (self.limits, self.secret) = (limits, secret)
  }

  /// A peer has connected.
  /// - Returns: who makes room: idle strangers must not keep workers out.
  package mutating func connected(_ peer: PeerID) -> Eviction? {
    strangers.append(peer)
    guard strangers.count > limits.strangers else { return nil }
    return Eviction(
      peer: strangers.removeFirst(), reason: "closed to make room for newer connections")
  }

  /// A peer said something.
  /// - Parameter host: where it connects from, without the port.
  package mutating func heard(
    _ message: WorkerMessage, from peer: PeerID, host: String, now: Duration
  ) -> MessageAction {
    switch message {
    case .hello(let said): return hello(peer, said.secret, host: host, now: now)
    case .ready: ready(peer)
    case .unable, .holds, .part, .gradient, .evaluated, .listens, .link, .wants, .leaving,
      .heartbeat:
      break
    }
    return .deliver
  }

  private mutating func hello(
    _ peer: PeerID, _ said: Secret?, host: String, now: Duration
  ) -> MessageAction {
    strangers.removeAll { $0 == peer }
    if let secret {
      // A guess that is not looked at tells nothing.
      if let pause = guesses.pause(of: host, now: now) {
        return .putOff(
          reason: "too many wrong secrets came from its address: nothing more for \(pause) s")
      }
      guard said == secret else {
        guesses.isWrong(of: host, now: now)
        return turnAway(
          peer,
          said == nil
            ? "it has no token: start it with the token of this run"
            : "its token is wrong: it is another run's")
      }
    }
    var evicted: Eviction?
    if places >= limits.connections {
      guard let oldest = whoMakesRoom else { return turnAway(peer, fullness) }
      workers[oldest]?.progress = .leaving
      evicted = Eviction(
        peer: oldest, reason: "it was not ready, and made room for another worker")
    }
    let readyBy = now + .limited(seconds: limits.readyTimeout)
    workers[peer] = (host, .gettingReady(until: readyBy))
    return .announce(readyBy: readyBy, evicted: evicted)
  }

  private mutating func turnAway(_ peer: PeerID, _ reason: String) -> MessageAction {
    turnedAway[peer] = reason
    return .turnAway(reason: reason)
  }

  /// The coordinator puts a worker out where it does not believe that it is ready.
  private mutating func ready(_ peer: PeerID) {
    guard case .gettingReady = workers[peer]?.progress else { return }
    workers[peer]?.progress = .ready
  }

  /// A worker is asked to go.
  package mutating func leaves(_ peer: PeerID) { workers[peer]?.progress = .leaving }

  /// The run is over.
  package mutating func end() { isOver = true }

  /// A connection is gone; `reason` is nil where this side closed it.
  package mutating func closed(_ peer: PeerID, reason: String?) -> Departure {
    strangers.removeAll { $0 == peer }
    let told = turnedAway.removeValue(forKey: peer)
    guard workers.removeValue(forKey: peer) != nil else {
      return .stranger(
        reason: told ?? reason ?? (isOver ? "the run is over" : "the coordinator closed it"))
    }
    return .worker(reason: reason ?? "the coordinator closed the connection")
  }

  /// When a worker must be ready; nil where it is, or is none.
  package func readyBy(_ peer: PeerID) -> Duration? {
    guard case .gettingReady(let until) = workers[peer]?.progress else { return nil }
    return until
  }

  /// Time has passed.
  /// - Returns: the peer, where it should have been ready by now.
  package mutating func overdue(_ peer: PeerID, now: Duration) -> Eviction? {
    guard let until = readyBy(peer), now >= until else { return nil }
    workers[peer]?.progress = .leaving
    return Eviction(peer: peer, reason: "it was not ready within \(limits.readyTimeout) s")
  }

  /// Whether a peer said hello and was admitted.
  package func isWorker(_ peer: PeerID) -> Bool { workers[peer] != nil }

  /// Places that are taken.
  private var places: Int {
    workers.values.count { if case .leaving = $0.progress { false } else { true } }
  }

  /// Of the host that has most of those that are not ready, the oldest.
  private var whoMakesRoom: PeerID? {
    let idle = workers.keys.filter { readyBy($0) != nil }
    let hosts = Dictionary(grouping: idle) { workers[$0]?.host }
    return hosts.values.min { ($1.count, $0.min()?.raw ?? 0) < ($0.count, $1.min()?.raw ?? 0) }?
      .min()
  }

  private var fullness: String {
    "the coordinator has all \(limits.connections) workers that it takes"
  }
}
