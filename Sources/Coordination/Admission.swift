import Primitives
import Wire

/// Who may take a place at a coordinator.
///
/// There is a limit for peers that have not said who they are, and another for those that have.
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
    /// Nothing, and close the connection: there are enough workers that are ready.
    case turnAway(reason: String)
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
  /// Those that have not said who they are, by age.
  private var strangers: [PeerID] = []
  /// Those that said hello, with where they connect from, without the port.
  private var workers: [PeerID: (host: String, progress: Progress)] = [:]
  private var isOver = false

  /// Nobody is there.
  package init(limits: Limits) { self.limits = limits }

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
    case .hello: return hello(peer, host: host, now: now)
    case .ready: ready(peer)
    case .unable, .holds, .part, .gradient, .evaluated, .listens, .link, .leaving, .heartbeat:
      break
    }
    return .deliver
  }

  private mutating func hello(_ peer: PeerID, host: String, now: Duration) -> MessageAction {
    strangers.removeAll { $0 == peer }
    var evicted: Eviction?
    if places >= limits.connections {
      guard let oldest = whoMakesRoom else { return .turnAway(reason: fullness) }
      workers[oldest]?.progress = .leaving
      evicted = Eviction(
        peer: oldest, reason: "it was not ready, and made room for another worker")
    }
    let readyBy = now + .limited(seconds: limits.readyTimeout)
    workers[peer] = (host, .gettingReady(until: readyBy))
    return .announce(readyBy: readyBy, evicted: evicted)
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
    guard workers.removeValue(forKey: peer) != nil else {
      return .stranger(reason: reason ?? (isOver ? "the run is over" : fullness))
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
