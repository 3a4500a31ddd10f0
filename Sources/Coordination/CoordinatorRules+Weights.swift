// Who has which weights: the part of the coordinator's rules that follows updates and rollbacks.

import Primitives
import Wire

extension CoordinatorRules {
  /// Workers that were sent the weights, and are sent every update of them.
  public var followers: [PeerID] { members.followers }

  /// Has a worker sent all that the run has learnt.
  mutating func sendWeights(to peer: PeerID) -> [CoordinatorAction] {
    members[peer]?.progress?.follow(time: patience.time)
    return [.sendWeights(peer)] + unchain(peer)
  }

  /// A worker holds weights that it was sent, or has made: work may come, and its answers count.
  ///
  /// What a worker has to compute that came to other weights than the coordinator goes to others,
  /// and it is sent the weights anew.
  ///
  /// - Parameters:
  ///   - isRight: whether the present weights have the digest that it names.
  ///   - rate: bytes that its connection carries in a second; nil where that is not known.
  public mutating func holds(
    _ peer: PeerID, _ version: WeightsVersion, isRight: Bool, rate: Double? = nil, now: Duration
  ) -> [CoordinatorAction] {
    guard let progress = members[peer]?.progress else {
      return putOut(peer, "said that it holds weights before it was ready", now)
    }
    // Of before a rollback: others are on their way to it.
    guard version.rollback == weightsVersion.rollback else { return [] }
    members[peer]?.progress?.held = version
    guard version == weightsVersion else {
      // It will make the later ones.
      if case .catchingUp = progress.weights { members[peer]?.progress?.hold() }
      return distribute(now)
    }
    guard !isRight else {
      members[peer]?.progress?.confirm(now: now, time: patience.time)
      let links = chain.join(peer, rate: rate)
      let isEnough = phase.isGathering && members.able.count >= needed
      return links + (isEnough ? nextPhase(now) : distribute(now))
    }
    // What was under way when it was sent them anew.
    if case .strayed = progress.weights { return [] }
    requeue(of: peer)
    let reason = "came to other weights \(version) than the coordinator"
    guard members[peer]?.progress?.stray(time: patience.time) == false else {
      return putOut(peer, "\(reason) again: its memory or its processor makes errors", now)
    }
    let note = CoordinatorNote.failure(
      worker: members[peer]?.number, reason: "it \(reason), and is sent them anew")
    return [.note(note), .sendWeights(peer)] + unchain(peer) + distribute(now)
  }

  /// Gives others what a worker has to compute: it is sent the weights anew, and drops that.
  mutating func requeue(of peer: PeerID) {
    for assignment in members[peer]?.progress?.queue ?? []
    where assignment.version == weightsVersion {
      phase.board?.requeue(assignment.unit, from: peer)
    }
  }

  // MARK: Updates and rollbacks

  /// All gradients of the update have come: it is certain.
  ///
  /// Where work follows, it is given out at once: workers make the new weights while the host does.
  mutating func completeUpdate(_ now: Duration) -> [CoordinatorAction] {
    let isLast = phase.isLast
    weightsVersion.update += 1
    verification.updateApplied()
    for peer in members.peers { members[peer]?.progress?.advance(time: patience.time) }
    guard !isLast, isWorkLeft else {
      phase = .applying(isLast: isLast)
      return []
    }
    return nextPhase(now)
  }

  /// Whether workers have something to compute next.
  private var isWorkLeft: Bool {
    let update = updatesApplied
    let endsEpoch = update / schedule.updatesPerEpoch > epochsFinished
    return endsEpoch ? schedule.validationBatches > 0 : update < schedule.updates
  }

  /// The update is in the weights.
  /// - Parameter isFinite: whether all weights are finite numbers now.
  public mutating func updateApplied(isFinite: Bool, now: Duration) -> Consequence {
    guard isFinite else { return overflowed() }
    guard case .applying(let isLast) = phase else { return .goOn([]) }
    return .goOn(isLast ? stop(.interrupted) : nextPhase(now))
  }

  /// Finite gradients made weights that are not: a faulty machine, or a run that diverges.
  ///
  /// Two workers compute the update's steps again; where two did, the run ends.
  private mutating func overflowed() -> Consequence {
    let update = updatesApplied - 1
    guard verification.doubtLastUpdate() else {
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
    var actions = chain.clear()
    for peer in followers {
      members[peer]?.progress?.makeVoid()
      actions += sendWeights(to: peer)
    }
    return actions + nextPhase(now, isLast: phase.isLast)
  }
}
