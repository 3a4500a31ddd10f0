// Who computes what: the part of the coordinator's rules that gives work out and judges answers.

import Primitives

extension CoordinatorRules {
  /// Gives the waiting units, in order, each to the worker that is expected to be done with it
  /// first; where that one has enough to do, the unit waits for it.
  mutating func distribute(_ now: Duration) -> [CoordinatorAction] {
    var actions: [CoordinatorAction] = []
    while isComputing, let (unit, peer) = nextGift(now) {
      actions += give(unit, to: peer, duplicate: false, now)
    }
    return actions
  }

  /// The first unit that waits and whose worker has room.
  private func nextGift(_ now: Duration) -> (unit: WorkUnit, peer: PeerID)? {
    guard members.contains(where: { $0.value.isReady && hasRoom($0.key) }) else { return nil }
    for unit in board.waiting {
      if let peer = quickest(candidates(for: unit, now), unit, now), hasRoom(peer) {
        return (unit, peer)
      }
    }
    return nil
  }

  private func hasRoom(_ peer: PeerID) -> Bool {
    (members[peer]?.queue.count { $0.version == board.version } ?? 0) < Self.queueDepth
  }

  /// Gives the slowest unit to an idle worker as well, when nothing else waits.
  mutating func duplicateSlowest(_ now: Duration) -> [CoordinatorAction] {
    guard isComputing, board.waiting.isEmpty else { return [] }
    // Of each worker the first unit that is not done: behind one that was answered elsewhere there
    // may be others that wait for the same worker.
    let overdue = members.values.compactMap { member in
      member.queue.first { $0.version == board.version && isOverdue($0, now) }
    }
    for slow in overdue.sorted(by: { ($0.since, $0.unit) < ($1.since, $1.unit) }) {
      let idle = candidates(for: slow.unit, now).filter {
        members[$0]?.queue.isEmpty == true && members[$0]?.voidSince == nil
      }
      if let peer = quickest(idle, slow.unit, now) {
        return give(slow.unit, to: peer, duplicate: true, now)
      }
    }
    return []
  }

  /// Judges an answer: asks the host to take it in where it is the first one to a unit that is
  /// needed.
  ///
  /// Who answers what it was not given goes.
  mutating func answer(
    _ peer: PeerID, _ unit: WorkUnit, version: Int, digest: Digest, isFinite: Bool, _ now: Duration
  ) -> [CoordinatorAction] {
    guard let member = members[peer] else { return [] }
    guard member.isReady else {
      return violation(peer, "answered \(unit) before it was ready", now)
    }
    let answer = Answer(process: member.process, digest: digest, isFinite: isFinite)
    if member.queue.contains(where: { $0.isFor(unit, version: version) }) {
      if version == board.version, board.needs(unit) { return judge(peer, unit, answer, now) }
      dequeue(peer, unit, version: version, now)
    } else if let index = member.void.firstIndex(where: { $0.isFor(unit, version: version) }) {
      // Newer weights came when it had answered. Answers come in order: what is before it in the
      // list it dropped.
      members[peer]?.void.removeFirst(index + 1)
      endVoid(peer, unit, now)
    } else {
      return violation(peer, "answered \(unit), which it was not given", now)
    }
    return checkLate(peer, unit, version, answer, now) + distribute(now)
  }

  /// Takes a unit from a worker's queue; the next one in it begins now.
  mutating func dequeue(_ peer: PeerID, _ unit: WorkUnit, version: Int, _ now: Duration) {
    guard
      let index = members[peer]?.queue.firstIndex(where: {
        $0.unit == unit && $0.version == version
      }), let assignment = members[peer]?.queue.remove(at: index)
    else { return }
    let duration = now - assignment.since
    switch unit {
    case .step: stepDurations.append(duration)
    case .validation: validationDurations.append(duration)
    }
    members[peer]?.pace.append(duration, of: unit, now: now)
    members[peer]?.void = []
    members[peer]?.voidSince = nil
    if index == 0, members[peer]?.queue.isEmpty == false { members[peer]?.queue[0].since = now }
    hasAnswered(peer)
  }

  /// A worker is done with what newer weights made void.
  private mutating func endVoid(_ peer: PeerID, _ unit: WorkUnit, _ now: Duration) {
    if let since = members[peer]?.voidSince {
      members[peer]?.voidSince = nil
      members[peer]?.pace.append(now - since, of: unit, now: now)
      if members[peer]?.queue.isEmpty == false { members[peer]?.queue[0].since = now }
    }
    hasAnswered(peer)
  }

  /// Whether a unit that is not done takes long; the more workers have it, the longer it may take.
  private func isOverdue(_ assignment: Assignment, _ now: Duration) -> Bool {
    guard let holders = board.holders[assignment.unit]?.count else { return false }
    let usual = median(of: assignment.unit).map { max($0 * Self.slowFactor, Self.slowFloor) }
    return now - assignment.since > (usual ?? Self.slowUnknown) * holders
  }

  /// The ready workers that do not have `unit`; where it is verified, that have not answered it
  /// either, or not as often as one may where there is no such worker that is on time.
  private func candidates(for unit: WorkUnit, _ now: Duration) -> [PeerID] {
    let holders = board.holders[unit] ?? []
    let others = members.keys.filter { members[$0]?.isReady == true && !holders.contains($0) }
    guard let witnesses = board.witnesses[unit] else { return others }
    func count(_ peer: PeerID) -> Int {
      members[peer].map { witnesses.count(of: $0.process) } ?? 0
    }
    let fresh = others.filter { peer in
      count(peer) == 0 && members[peer]?.queue.contains { isOverdue($0, now) } == false
    }
    guard fresh.isEmpty else { return fresh }
    return others.filter { count($0) < Self.answersMost || readyWorkers == 1 }
  }

  /// Who of `peers` is expected to be done with one more unit first; of several the one with fewest
  /// units, then one whose pace is not known, then the lowest number.
  private func quickest(_ peers: [PeerID], _ unit: WorkUnit, _ now: Duration) -> PeerID? {
    // Whoever is not known may be as quick as the quickest.
    let best = members.values.compactMap { $0.pace.expected(of: unit, now: now) }.min() ?? .zero
    return
      peers.compactMap { peer -> (peer: PeerID, rank: (Duration, Int, Int, Int))? in
        guard let member = members[peer] else { return nil }
        let pace = member.pace.expected(of: unit, now: now)
        let rank = (
          expected(member, pace ?? best, now), member.queue.count, pace == nil ? 0 : 1,
          member.worker ?? 0
        )
        return (peer, rank)
      }
      .min { $0.rank < $1.rank }?.peer
  }

  /// How long a worker that needs `pace` for a unit is expected to need for all that it has and
  /// one more.
  private func expected(_ member: Member, _ pace: Duration, _ now: Duration) -> Duration {
    let waiting = member.voidSince == nil ? member.queue.dropFirst() : member.queue[...]
    let sum = pace * (waiting.count + 1)
    guard let since = member.voidSince ?? member.queue.first?.since else { return sum }
    // What takes longer than it should may take as long again.
    let elapsed = now - since
    return sum + (elapsed < pace ? pace - elapsed : elapsed)
  }

  private func median(of unit: WorkUnit) -> Duration? {
    if case .step = unit { stepDurations.median } else { validationDurations.median }
  }

  /// What the books contradict themselves in; nil where all is well.
  package func inconsistency(now: Duration) -> String? {
    guard isComputing else { return nil }
    if let unit = board.forgotten {
      return "\(unit) is neither done, nor waiting, nor with anybody"
    }
    for (unit, holders) in board.holders {
      for peer in holders
      where members[peer]?.queue.contains(where: { $0.unit == unit }) != true {
        return "\(unit) is with \(peer), which is gone or does not have it"
      }
    }
    for unit in board.waiting {
      let candidates = candidates(for: unit, now)
      if !candidates.isEmpty, candidates.allSatisfy({ members[$0]?.queue.isEmpty == true }) {
        return "\(unit) waits while nobody who could compute it has anything to do"
      }
    }
    return nil
  }

  private mutating func give(
    _ unit: WorkUnit, to peer: PeerID, duplicate: Bool, _ now: Duration
  ) -> [CoordinatorAction] {
    guard var member = members[peer], let worker = member.worker else { return [] }
    var actions: [CoordinatorAction] = []
    if member.weights != board.version {
      member.weights = board.version
      member.cancelQueue()
      actions.append(.sendWeights(peer))
    }
    member.queue.append(.init(unit: unit, version: board.version, since: now))
    member.owesSince = member.owesSince ?? patience
    members[peer] = member
    let wasLost = board.give(unit, to: peer)
    if duplicate {
      actions.append(.note(.duplicated(unit, worker: worker)))
    } else if wasLost {
      actions.append(.note(.reassigned(unit, worker: worker)))
    }
    actions.append(.assign(peer, unit))
    return actions
  }
}
