// Who has which weights: the part of the coordinator's rules that follows updates and rollbacks.

import Primitives
import Wire

extension CoordinatorRules {
  /// Workers that were sent the weights, and are sent every update of them.
  public var followers: [PeerID] { members.followers }

  /// Has a worker sent all that the run has learnt.
  mutating func sendWeights(to peer: PeerID) -> [CoordinatorAction] {
    members[peer]?.progress?.follow(time: patience.time)
    return [.sendWeights(peer)]
  }

  /// A worker holds weights that it was sent, and makes what comes after: work may come.
  public mutating func holds(
    _ peer: PeerID, _ version: WeightsVersion, now: Duration
  ) -> [CoordinatorAction] {
    guard let worker = members[peer] else { return [] }
    guard worker.isReady else { return putOut(peer, "said that it holds weights unasked", now) }
    // Of before a rollback: later ones are on their way to it.
    guard version.rollback == weightsVersion.rollback else { return [] }
    members[peer]?.progress?.hold()
    return distribute(now)
  }

  /// A worker came to other weights than the coordinator: what it had goes to others, and it is sent
  /// the weights anew.
  public mutating func differs(
    _ peer: PeerID, _ version: WeightsVersion, now: Duration
  ) -> [CoordinatorAction] {
    guard let worker = members[peer], let progress = worker.progress else {
      return putOut(peer, "said that its weights differ unasked", now)
    }
    // It was sent others meanwhile.
    guard version.rollback == weightsVersion.rollback, progress.weights == .held else { return [] }
    for assignment in progress.queue where assignment.version == weightsVersion {
      phase.board?.requeue(assignment.unit, from: peer)
    }
    let reason = "it came to other weights \(version) than the coordinator"
    guard members[peer]?.progress?.stray() == false else {
      return putOut(peer, "\(reason) again: its memory or its processor makes errors", now)
    }
    let note = CoordinatorNote.failure(
      worker: worker.number, reason: "\(reason), and is sent them anew")
    return [.note(note)] + sendWeights(to: peer) + distribute(now)
  }

  // MARK: Updates and rollbacks

  /// The update is in the weights.
  /// - Parameter isFinite: whether all weights are finite numbers now.
  public mutating func updateApplied(isFinite: Bool, now: Duration) -> Consequence {
    guard case .applying(let isLast) = phase else { return .goOn([]) }
    guard isFinite else { return overflowed() }
    weightsVersion.update += 1
    verification.updateApplied()
    for peer in members.peers { members[peer]?.progress?.makeVoid() }
    return .goOn(isLast ? stop(.interrupted) : nextPhase(now))
  }

  /// Finite gradients made weights that are not: a faulty machine, or a run that diverges.
  ///
  /// Two workers compute the update's steps again; where two did, the run ends.
  private mutating func overflowed() -> Consequence {
    let update = updatesApplied
    guard verification.doubt(schedule.steps(ofUpdate: update)) else {
      return .goOn(stop(.diverged("a weight", "update \(update + 1)")))
    }
    phase.rollBack()
    return .rollBack(before: update)
  }

  /// The weights are earlier ones again; everything after them is computed anew.
  ///
  /// - Parameters:
  ///   - update: updates that are in them.
  ///   - epochs: that were over then.
  public mutating func rolledBack(
    to update: Int, epochs: Int, now: Duration
  ) -> [CoordinatorAction] {
    verification.rollBack(to: update)
    // What is still on its way was computed with other weights, though of the same count.
    weightsVersion = WeightsVersion(rollback: weightsVersion.rollback + 1, update: update)
    epochsFinished = epochs
    if phase.isOver { return [] }
    var actions: [CoordinatorAction] = []
    for peer in followers {
      members[peer]?.progress?.makeVoid()
      actions += sendWeights(to: peer)
    }
    return actions + nextPhase(now, isLast: phase.isLast)
  }
}
