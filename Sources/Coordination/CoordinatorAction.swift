import Primitives

/// What the coordinator's rules ask their host to do, in order.
public enum CoordinatorAction: Hashable, Sendable {
  /// Take a worker in under a number.
  case welcome(PeerID, worker: Int)
  /// Tell a peer why it cannot take part, and close its connection.
  case refuse(PeerID, reason: String)
  /// Close a connection.
  case close(PeerID)
  /// Send the present weights.
  case sendWeights(PeerID)
  /// Send a work unit for the present weights.
  case assign(PeerID, WorkUnit)
  /// Take in the answer that just came; then call `accepted` or `unusable`.
  case accept(PeerID, WorkUnit)
  /// Apply the average of these steps' gradients; then call `updateApplied`.
  case applyUpdate(Int, steps: Range<Int>)
  /// The weights may hold errors since this update: find those of before it, or of an earlier one,
  /// and call `wentBack`.
  case goBack(before: Int)
  /// All of an epoch (counted from 0) is in: write down what it came to.
  case finishEpoch(Int)
  /// Something to write down.
  case note(CoordinatorNote)
  /// Tell every worker that the run is over, and end it.
  case stop(RunEnding)
}

/// How a run ends.
public enum RunEnding: Hashable, Sendable {
  /// Every epoch is done.
  case finished
  /// A signal asked for it; it can go on from its checkpoint.
  case interrupted
  /// It cannot go on, nor could it when tried again; one clear line.
  case failed(String)
  /// It cannot go on for want of workers, or of a place to write to: what may be there the next
  /// time. One clear line.
  case cutShort(String)

  /// Training made numbers that are none: the next try would come to the same.
  static func diverged(_ what: String, _ place: String) -> RunEnding {
    .failed("\(what) is no longer a finite number in \(place): choose a smaller --learning-rate")
  }

  /// Why a run ended that neither finished nor was asked to end.
  public var reason: String? {
    switch self {
    case .finished, .interrupted: nil
    case .failed(let reason), .cutShort(let reason): reason
    }
  }
}

/// A worker, as a user knows it.
public struct WorkerIdentity: Hashable, Sendable, CustomStringConvertible {
  /// Its number; nil for one that was turned away.
  public var number: Int?
  /// Machine and process: `host:4123`; empty for one that has not said it.
  public var name: String
  /// Where it connected from.
  public var address: String

  /// Memberwise.
  public init(number: Int?, name: String, address: String) {
    (self.number, self.name, self.address) = (number, name, address)
  }

  /// `worker 2 (host:4123 at 192.168.1.7:40112)`.
  public var description: String {
    let place = name.isEmpty ? address : "\(name) at \(address)"
    return number.map { "worker \($0) (\(place))" } ?? place
  }
}

/// What a coordinator writes down: for events.jsonl, and a line for the user.
public enum CoordinatorNote: Hashable, Sendable, CustomStringConvertible {
  /// Nothing can be computed until there are `needed` workers.
  case waiting(ready: Int, needed: Int)
  /// A worker is ready for work.
  case joined(WorkerIdentity)
  /// A peer was turned away, or could not take part.
  case refused(WorkerIdentity, reason: String)
  /// A worker is gone; `doing` says what it was doing.
  case lost(WorkerIdentity, doing: String, reason: String)
  /// The process of a worker that the program launched has ended.
  case exited(worker: Int, reason: String)
  /// A lost worker's unit was given to `worker`.
  case reassigned(WorkUnit, worker: Int)
  /// A slow unit was given to `worker` as well.
  case duplicated(WorkUnit, worker: Int)
  /// A worker has not answered for `time`; after `most` it counts as lost, where others are there.
  case awaited(WorkUnit?, worker: Int, time: Duration, most: Duration)
  /// The run went back to the weights after `updates`.
  case rolledBack(updates: Int)
  /// Something went wrong that does not end the run.
  case failure(worker: Int?, reason: String)
  /// A signal came; `finishing` says whether the update under way is finished first.
  case interrupted(finishing: Bool)

  /// What a worker does that is not ready.
  static let gettingReady = "was getting ready"

  /// For what anybody can cause who finds the port: whether it was turned away; nil for the rest.
  package var isRefusalOfStranger: Bool? {
    switch self {
    case .refused: true
    case .lost(_, doing: Self.gettingReady, _): false
    default: nil
    }
  }

  /// The same, with `others` of its kind behind its reason.
  package func standing(for others: String) -> CoordinatorNote {
    switch self {
    case .refused(let identity, let reason): .refused(identity, reason: reason + others)
    case .lost(let identity, let doing, let reason):
      .lost(identity, doing: doing, reason: reason + others)
    default: self
    }
  }

  /// One line for the user.
  public var description: String {
    switch self {
    case .waiting(let ready, let needed):
      "waiting for \(needed == 1 ? "a worker" : "\(needed) workers"): \(ready) ready"
    case .joined(let identity): "\(identity) joined"
    case .refused(let identity, let reason): "refused \(identity): \(reason)"
    case .lost(let identity, let doing, let reason): "\(identity) is lost: \(reason); it \(doing)"
    case .exited(let worker, let reason): "worker \(worker)'s process has ended: \(reason)"
    case .reassigned(let unit, let worker): "\(unit) was reassigned to worker \(worker)"
    case .duplicated(let unit, let worker):
      "\(unit) is slow: worker \(worker) computes it as well"
    case .awaited(let unit, let worker, let time, let most):
      "waiting for worker \(worker): no answer\(unit.map { " to \($0)" } ?? "") for "
        + "\(time.inSeconds); it counts as lost after \(most.inSeconds) where there are others"
    case .rolledBack(let updates):
      "the run rolls back to update \(updates) and computes what follows again"
    case .failure(let worker, let reason):
      worker.map { "worker \($0): \(reason)" } ?? reason
    case .interrupted(finishing: true):
      "interrupted: finishing the update, then writing a checkpoint"
    case .interrupted(finishing: false): "interrupted: writing a checkpoint"
    }
  }
}

extension Duration {
  /// `12 s`.
  var inSeconds: String { "\(Int((self / .seconds(1)).rounded())) s" }
}
