// Who takes part: the part of the coordinator's rules that takes workers in and lets them go.

import Primitives
import Wire

extension CoordinatorRules {
  /// A peer connected.
  public mutating func opened(
    _ peer: PeerID, address: String, now: Duration
  ) -> [CoordinatorAction] {
    guard !phase.isOver else { return [.close(peer)] }
    members[peer] = Worker(address: address)
    return []
  }

  /// A peer said who it is.
  public mutating func hello(_ peer: PeerID, _ hello: Hello, now: Duration) -> HelloDecision {
    guard let worker = members[peer] else { return .turnAway([]) }
    guard worker.number == nil else { return .turnAway(putOut(peer, "said hello twice", now)) }
    members[peer]?.introduce(as: hello.name)
    guard hello.version == release else {
      return .turnAway(
        refuse(
          peer,
          "its dogsled is version \(hello.version) and the coordinator's is \(release): "
            + "install the same version on both"))
    }
    let process = WorkerProcess(hello, address: worker.identity.address)
    let number = members.number(for: process)
    members[peer]?.welcome(as: number, process)
    return .welcome(worker: number)
  }

  /// A worker has the model and the data, and made `answer` of the probe.
  public mutating func ready(
    _ peer: PeerID, _ answer: ProbeAnswer, now: Duration
  ) -> [CoordinatorAction] {
    guard var worker = members[peer] else { return [] }
    guard worker.getReady() else { return putOut(peer, "said ready out of turn", now) }
    guard answer.pictures == probe.pictures else {
      return refuse(
        peer,
        "it decodes JPEGs to pixels that differ from the coordinator's: install the same libjpeg")
    }
    guard answer.gradient == probe.gradient else {
      return refuse(
        peer,
        "its gradient of the same pictures and weights differs from the coordinator's: "
          + "build dogsled from the same commit on both machines")
    }
    members[peer] = worker
    let joined = [CoordinatorAction.note(.joined(worker.identity))] + sendWeights(to: peer)
    guard case .gathering(let firstReady) = phase else { return joined }
    phase = .gathering(firstReady: firstReady ?? now)
    return joined + gather(now)
  }

  /// A worker cannot take part.
  public mutating func unable(
    _ peer: PeerID, reason: String, now: Duration
  ) -> [CoordinatorAction] {
    guard let worker = members[peer] else { return [] }
    members.launched.refuse(worker.number, reason)
    return [.note(.refused(worker.identity, reason: reason)), .close(peer)] + remove(peer, now)
  }

  /// A peer's connection is gone.
  public mutating func lost(
    _ peer: PeerID, reason: String, now: Duration
  ) -> [CoordinatorAction] {
    noteLoss(peer, reason) + remove(peer, now)
  }

  /// A peer goes although its connection is there: it took leave, or it does not answer.
  public mutating func dismiss(
    _ peer: PeerID, reason: String, now: Duration
  ) -> [CoordinatorAction] {
    noteLoss(peer, reason) + [.close(peer)] + remove(peer, now)
  }

  /// A worker process that the program launched has ended.
  /// - Parameter index: counted from 0; it was worker `index` + 1.
  public mutating func localWorkerExited(
    _ index: Int, reason: String, now: Duration
  ) -> [CoordinatorAction] {
    guard !phase.isOver, members.launched.exit(index + 1, reason) else { return [] }
    return [.note(.exited(worker: index + 1, reason: reason))]
      + stopIfAbandoned() + (phase.isGathering ? gather(now) : [])
  }

  /// Ends a run whose own workers have all ended and that no other has joined.
  private mutating func stopIfAbandoned() -> [CoordinatorAction] {
    guard members.isAbandoned, !phase.isOver else { return [] }
    if phase.isLast { return stop(.interrupted) }
    return stop(members.launched.ending(hadWorkers: !phase.isWithoutWorkers))
  }

  /// Turns away a peer that cannot take part.
  private mutating func refuse(_ peer: PeerID, _ reason: String) -> [CoordinatorAction] {
    guard let worker = members[peer] else { return [] }
    members[peer] = nil
    _ = chain.leave(peer, isGone: true)
    members.launched.refuse(worker.number, reason)
    return [.note(.refused(worker.identity, reason: reason)), .refuse(peer, reason: reason)]
      + stopIfAbandoned()
  }

  /// Puts out a peer that does what no worker of ours does.
  mutating func putOut(
    _ peer: PeerID, _ reason: String, _ now: Duration
  ) -> [CoordinatorAction] {
    guard let worker = members[peer] else { return [] }
    guard let number = worker.number else { return refuse(peer, "it \(reason)") }
    members.launched.putOut(number, reason)
    return noteLoss(peer, reason) + [.refuse(peer, reason: reason)] + remove(peer, now)
  }

  private func noteLoss(_ peer: PeerID, _ reason: String) -> [CoordinatorAction] {
    guard let worker = members[peer], worker.number != nil else { return [] }
    return [.note(.lost(worker.identity, doing: worker.activity, reason: reason))]
  }

  /// Takes a peer off the list and gives what it had to others.
  private mutating func remove(_ peer: PeerID, _ now: Duration) -> [CoordinatorAction] {
    guard let worker = members[peer] else { return [] }
    members[peer] = nil
    let links = unchain(peer, isGone: true)
    if phase.isOver { return [] }
    guard let progress = worker.progress else { return stopIfAbandoned() }
    for assignment in progress.queue where assignment.version == weightsVersion {
      phase.board?.requeue(assignment.unit, from: peer)
    }
    guard readyWorkers == 0 else { return links + distribute(now) }
    let ended = phase.isLast ? stop(.interrupted) : stopIfAbandoned()
    return ended.isEmpty ? [.note(.waiting(ready: 0, needed: max(1, needed)))] : ended
  }
}
