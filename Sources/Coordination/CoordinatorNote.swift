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
  /// A worker gets updates from another one now.
  case linked(worker: Int, from: Int)
  /// A worker has not answered for `time`; after `most` it counts as lost, where others are there.
  case awaited(WorkUnit?, worker: Int, time: Duration, most: Duration)
  /// The run was rolled back to the weights after `updates`.
  case rolledBack(updates: Int)
  /// Something went wrong that does not end the run.
  case failure(worker: Int?, reason: String)
  /// A signal came; `finishing` says whether the update under way is finished first.
  case interrupted(finishing: Bool)

  /// What a worker does that is not ready.
  static let gettingReady = "was getting ready"

  /// Of what anybody can cause who finds the port: in what such notes are alike; nil for the rest.
  package var kindOfStranger: String? {
    switch self {
    // What comes behind a colon, and numbers, are the stranger's.
    case .refused(_, let reason), .lost(_, doing: Self.gettingReady, let reason):
      reason.prefix { $0 != ":" }.filter { !$0.isNumber }
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
    case .linked(let worker, let from): "worker \(worker) gets updates from worker \(from)"
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
