// Who computes what: the part of the coordinator's rules that gives work out and judges answers.

import Engine

extension CoordinatorRules {
  /// Gives the waiting units, in order, to the ready workers that have fewest.
  mutating func distribute(_ now: Duration) -> [CoordinatorAction] {
    var actions: [CoordinatorAction] = []
    while !isGathering, !isOver, let (unit, peer) = nextGift() {
      actions += give(unit, to: peer, duplicate: false, now)
    }
    return actions
  }

  /// The first unit that waits and that a worker with room can have.
  private func nextGift() -> (unit: WorkUnit, peer: PeerID)? {
    for unit in board.waiting {
      if let peer = idlestWorker(for: unit) { return (unit, peer) }
    }
    return nil
  }

  /// Gives the slowest unit to an idle worker as well, when nothing else waits.
  mutating func duplicateSlowest(_ now: Duration) -> [CoordinatorAction] {
    guard !isGathering, !isOver, board.waiting.isEmpty, let peer = idlestWorker(),
      members[peer]?.queue.isEmpty == true
    else { return [] }
    // Of each worker the first unit that nobody else has: behind one that was answered elsewhere
    // there may be others that wait for the same worker.
    let slowest =
      members.values.compactMap { member in
        member.queue.first {
          $0.version == board.version && board.holders[$0.unit]?.count == 1
            && (board.witnesses[$0.unit]?.count(of: peer) ?? 0) == 0
        }
      }
      .min { ($0.since, $0.unit) < ($1.since, $1.unit) }
    guard let slowest else { return [] }
    let median =
      if case .step = slowest.unit { stepDurations.median } else { validationDurations.median }
    guard let median, now - slowest.since > max(median * Self.slowFactor, Self.slowFloor) else {
      return []
    }
    return give(slowest.unit, to: peer, duplicate: true, now)
  }

  /// Judges an answer: asks the host to take it in where it is the first one to a unit that is
  /// needed.
  mutating func answer(
    _ peer: PeerID, _ unit: WorkUnit, version: Int, digest: Digest?, _ now: Duration
  ) -> [CoordinatorAction] {
    guard let member = members[peer] else { return [] }
    guard member.queue.contains(where: { $0.unit == unit && $0.version == version }) else {
      // Newer weights cancel work that a worker may already have answered.
      if version < board.version { return checkLate(peer, unit, digest, now) }
      return violation(peer, "answered \(unit), which it was not given", now)
    }
    if version == board.version, board.needs(unit) { return judge(peer, unit, digest, now) }
    dequeue(peer, unit, version: version, now)
    return checkLate(peer, unit, digest, now) + distribute(now)
  }

  /// Has the host take in the answer to a unit that is needed, once it is confirmed where the unit
  /// is verified; whoever answered something else goes.
  private mutating func judge(
    _ peer: PeerID, _ unit: WorkUnit, _ digest: Digest?, _ now: Duration
  ) -> [CoordinatorAction] {
    guard let digest, let witnesses = board.witnesses[unit] else { return [.accept(peer, unit)] }
    if witnesses.contradict(digest, of: peer) {
      board.disbelieve(peer, in: unit)
      return violation(
        peer,
        "it computed \(unit) twice, with two results: its memory or its processor makes errors",
        now)
    }
    guard witnesses.confirm(digest, of: peer, alone: readyWorkers == 1) else {
      dequeue(peer, unit, version: board.version, now)
      board.witness(unit, of: peer, digest: digest)
      // Each of two workers insists: asked again they would say the same.
      let isStuck =
        witnesses.answers.count + 1 == 2 * Self.answersMost && board.waiting.contains(unit)
      let note = CoordinatorNote.failure(
        worker: nil, reason: "two workers differ in \(unit) each time: a third has to decide")
      return (isStuck ? [.note(note)] : []) + distribute(now)
    }
    var actions: [CoordinatorAction] = [.accept(peer, unit)]
    for liar in witnesses.against(digest).sorted() {
      actions += violation(
        liar,
        "its gradient of \(unit) is another than two workers computed: its memory or its "
          + "processor makes errors", now)
    }
    return actions
  }

  /// A second answer must equal the first.
  private mutating func checkLate(
    _ peer: PeerID, _ unit: WorkUnit, _ digest: Digest?, _ now: Duration
  ) -> [CoordinatorAction] {
    guard let digest, let first = board.answers[unit] ?? previousAnswers[unit], let first,
      first != digest
    else { return [] }
    return violation(
      peer, "its gradient of \(unit) is \(digest), another worker's was \(first)", now)
  }

  /// Takes a unit from a worker's queue; the next one in it begins now.
  mutating func dequeue(_ peer: PeerID, _ unit: WorkUnit, version: Int, _ now: Duration) {
    guard
      let index = members[peer]?.queue.firstIndex(where: {
        $0.unit == unit && $0.version == version
      }), let assignment = members[peer]?.queue.remove(at: index)
    else { return }
    switch unit {
    case .step: stepDurations.append(now - assignment.since)
    case .validation: validationDurations.append(now - assignment.since)
    }
    if index == 0, members[peer]?.queue.isEmpty == false { members[peer]?.queue[0].since = now }
  }

  /// The ready worker with room in its queue that has fewest units; the lowest number of several.
  /// - Parameter unit: one that it does not have; where that is verified, one that it has not
  ///   answered either, or not twice where every ready worker has answered.
  private func idlestWorker(for unit: WorkUnit? = nil) -> PeerID? {
    let witnesses = unit.flatMap { board.witnesses[$0] }
    let holders = unit.flatMap { board.holders[$0] } ?? []
    let most =
      witnesses.map { witnesses in
        members.contains {
          $0.value.isReady && witnesses.count(of: $0.key) == 0 && !holders.contains($0.key)
        } ? 0 : Self.answersMost - 1
      } ?? 0
    return
      members
      .filter {
        $0.value.isReady && $0.value.queue.count < Self.queueDepth && !holders.contains($0.key)
          && (witnesses?.count(of: $0.key) ?? 0) <= most
      }
      .min {
        ($0.value.queue.count, $0.value.worker ?? 0) < ($1.value.queue.count, $1.value.worker ?? 0)
      }?.key
  }

  /// What the books contradict themselves in; nil where all is well.
  var inconsistency: String? {
    guard !isGathering, !isOver else { return nil }
    if let unit = board.forgotten {
      return "\(unit) is neither done, nor waiting, nor with anybody"
    }
    for (unit, holders) in board.holders {
      for peer in holders
      where members[peer]?.queue.contains(where: { $0.unit == unit }) != true {
        return "\(unit) is with \(peer), which is gone or does not have it"
      }
    }
    if let (unit, _) = nextGift() {
      return "\(unit) waits while a worker has room"
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
      member.queue.removeAll()
      actions.append(.sendWeights(peer))
    }
    member.queue.append(.init(unit: unit, version: board.version, since: now))
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
