// Who computes what: the part of the coordinator's rules that gives work out.

import Primitives
import Wire

extension CoordinatorRules {
  /// Work units that a worker has at once, so that it never idles.
  private static let queueDepth = 2

  private typealias ReadyWorker = (peer: PeerID, worker: Worker, progress: WorkerProgress)

  /// Gives the waiting units, in order, each to the worker that is expected to be done with it
  /// first; where that one has enough to do, the unit waits for it.
  mutating func distribute(_ now: Duration) -> [CoordinatorAction] {
    var actions: [CoordinatorAction] = []
    while let (unit, peer) = nextAssignment(now) {
      let (wasLost, given) = assign(unit, to: peer, now)
      if wasLost, let number = members[peer]?.number {
        actions.append(.note(.reassigned(unit, worker: number)))
      }
      actions += given
    }
    return actions
  }

  /// The first unit that waits and whose worker has room.
  private func nextAssignment(_ now: Duration) -> (unit: WorkUnit, peer: PeerID)? {
    guard let board = phase.board, members.able.contains(where: hasRoom) else { return nil }
    for unit in board.waiting {
      if let best = quickest(candidates(for: unit, board, now), unit, now), hasRoom(best) {
        return (unit, best.peer)
      }
    }
    return nil
  }

  private func hasRoom(_ worker: ReadyWorker) -> Bool {
    worker.progress.queue.count { $0.version == weightsVersion } < Self.queueDepth
  }

  /// Gives the slowest unit to an idle worker as well, when nothing else waits.
  mutating func duplicateSlowest(_ now: Duration) -> [CoordinatorAction] {
    guard let board = phase.board, board.waiting.isEmpty else { return [] }
    // Of each worker the first unit that is not done: behind one that was answered elsewhere there
    // may be others that wait for the same worker.
    let overdue = members.able.compactMap { worker in
      worker.progress.queue.first { $0.version == board.version && isOverdue($0, board, now) }
    }
    for slow in overdue.sorted(by: { ($0.since, $0.unit) < ($1.since, $1.unit) }) {
      let idle = candidates(for: slow.unit, board, now).filter(\.progress.isIdle)
      guard let best = quickest(idle, slow.unit, now), let number = best.worker.number else {
        continue
      }
      return [.note(.duplicated(slow.unit, worker: number))]
        + assign(slow.unit, to: best.peer, now).actions
    }
    return []
  }

  /// Whether a unit that is not done takes long; the more workers have it, the longer it may take.
  private func isOverdue(
    _ assignment: WorkerProgress.Assignment, _ board: WorkBoard, _ now: Duration
  ) -> Bool {
    guard let holders = board.holders[assignment.unit]?.count else { return false }
    return now - assignment.since > patience.slow(assignment.unit) * holders
  }

  /// The workers that hold the weights and do not have `unit`; where it is verified, that have not
  /// answered it either, or not as often as one may where there is no such worker that is on time.
  private func candidates(
    for unit: WorkUnit, _ board: WorkBoard, _ now: Duration
  ) -> [ReadyWorker] {
    let holders = board.holders[unit] ?? []
    let others = members.able.filter { !holders.contains($0.peer) }
    func answers(_ worker: ReadyWorker) -> Int? {
      verification.answers(to: unit, by: worker.progress.process)
    }
    let fresh = others.filter { worker in
      answers(worker) == 0 && !worker.progress.queue.contains { isOverdue($0, board, now) }
    }
    guard fresh.isEmpty else { return fresh }
    return others.filter { worker in
      answers(worker).map { $0 < Verification.answersMost || readyWorkers == 1 } ?? true
    }
  }

  /// Who of `workers` is expected to be done with one more unit first; of several the one with
  /// fewest units, then one whose pace is not known, then the lowest number.
  private func quickest(
    _ workers: [ReadyWorker], _ unit: WorkUnit, _ now: Duration
  ) -> ReadyWorker? {
    // Whoever is not known may be as quick as the quickest.
    let paces = members.able.compactMap { $0.progress.pace.expected(of: unit, now: now) }
    let best = paces.min() ?? .zero
    func rank(_ worker: ReadyWorker) -> (Duration, Int, Int, Int) {
      let pace = worker.progress.pace.expected(of: unit, now: now)
      return (
        worker.progress.expected(pace ?? best, now: now), worker.progress.queue.count,
        pace == nil ? 0 : 1, worker.worker.number ?? 0
      )
    }
    return workers.map { (worker: $0, rank: rank($0)) }.min { $0.rank < $1.rank }?.worker
  }

  /// - Returns: also whether the unit comes from a lost worker.
  private mutating func assign(
    _ unit: WorkUnit, to peer: PeerID, _ now: Duration
  ) -> (wasLost: Bool, actions: [CoordinatorAction]) {
    members[peer]?.progress?.assign(unit, weightsVersion, now: now, time: patience.time)
    let wasLost = phase.board?.assign(unit, to: peer)
    return (wasLost == true, [.assign(peer, unit)])
  }

  // MARK: Workers that take too long

  /// Says of whom the run waits, and loses who does not answer: where no other worker is there to
  /// take over, that would not help.
  mutating func dismissStuck(_ now: Duration) -> [CoordinatorAction] {
    var actions: [CoordinatorAction] = []
    for peer in members.peers {
      if let since = members[peer]?.progress?.weightsSince, readyWorkers > 1,
        patience.time - since > Patience.weightsMost
      {
        let time = (patience.time - since).inSeconds
        let reason = "it sends heartbeats, but has not taken the weights for \(time)"
        actions += dismiss(peer, reason: reason, now: now)
      }
      if let progress = members[peer]?.progress, progress.unanswered >= Patience.unansweredMost,
        readyWorkers > 1
      {
        let reason = "it sends heartbeats, but others answered all that it was given of late"
        actions += dismiss(peer, reason: reason, now: now)
      }
      guard phase.board != nil, let number = members[peer]?.number,
        let progress = members[peer]?.progress, let debt = progress.debt
      else { continue }
      let batches = progress.queue.map(\.unit.batches).max() ?? 1
      let (time, most) = (
        patience.time - debt.since, patience.most(progress.pace, batches: batches)
      )
      if time > most, readyWorkers > 1 {
        let reason = "it sends heartbeats, but has not answered for \(time.inSeconds)"
        actions += dismiss(peer, reason: reason, now: now)
      } else if time > most / 2, !debt.isAnnounced {
        members[peer]?.progress?.announce()
        let unit = progress.queue.first?.unit
        actions.append(.note(.awaited(unit, worker: number, time: time, most: most)))
      }
    }
    return actions
  }

  // MARK: Checks

  /// What the rules contradict themselves in; nil where all is well.
  package func inconsistency(now: Duration) -> String? {
    guard let board = phase.board else { return nil }
    if let unit = board.forgotten {
      return "\(unit) is neither done, nor waiting, nor with anybody"
    }
    for (unit, missing) in board.open where missing != verification.missing(unit) {
      return "\(unit) is given out for \(missing) answers, not \(verification.missing(unit))"
    }
    for (unit, holders) in board.holders {
      for peer in holders
      where members[peer]?.progress?.queue.contains(where: { $0.unit == unit }) != true {
        return "\(unit) is with \(peer), which is gone or does not have it"
      }
    }
    for unit in board.waiting {
      let candidates = candidates(for: unit, board, now)
      if !candidates.isEmpty, candidates.allSatisfy(\.progress.queue.isEmpty) {
        return "\(unit) waits while nobody who could compute it has anything to do"
      }
    }
    return nil
  }
}
