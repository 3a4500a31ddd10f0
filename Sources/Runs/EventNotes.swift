// What the coordinator's rules write down, as lines of events.jsonl.

import Coordination
import Primitives

extension CoordinatorNote {
  /// The line of events.jsonl, now.
  package var event: Event {
    switch self {
    case .waiting: Event(.waiting, reason: description)
    case .joined(let identity): Event(.joined, identity)
    case .refused(let identity, let reason): Event(.refused, identity, reason: reason)
    case .lost(let identity, let doing, let reason):
      Event(.lost, identity, doing: doing, reason: reason)
    case .exited(let worker, let reason): Event(.exited, worker: worker, reason: reason)
    case .reassigned(let unit, let worker), .duplicated(let unit, let worker):
      Event(.reassigned, worker: worker, step: unit.step, reason: description)
    case .linked(let worker, _): Event(.linked, worker: worker, reason: description)
    case .awaited(let unit, let worker, _, _):
      Event(.waiting, worker: worker, step: unit?.step, reason: description)
    case .rolledBack(let updates): Event(.rollback, updates: updates, reason: description)
    case .failure(let worker, let reason): Event(.failure, worker: worker, reason: reason)
    case .interrupted: Event(.interrupted)
    }
  }
}

extension Event {
  fileprivate init(
    _ kind: Kind, _ identity: WorkerIdentity, doing: String? = nil, reason: String? = nil
  ) {
    self.init(
      kind, worker: identity.number, name: identity.name.isEmpty ? nil : identity.name,
      address: identity.address, doing: doing, reason: reason)
  }
}
