// Who computes wrong: the part of the coordinator's rules that compares answers bit by bit, and
// takes back what a worker that makes errors may have done.

import Engine

extension CoordinatorRules {
  /// How often one worker computes a unit that is verified, where there are others.
  static let answersMost = 3

  /// Has the host take in the answer to a unit that is needed, once it is confirmed where the unit
  /// is verified; whoever answered something else goes.
  mutating func judge(
    _ peer: PeerID, _ unit: WorkUnit, _ digest: Digest?, _ now: Duration
  ) -> [CoordinatorAction] {
    guard let process = members[peer]?.process else { return [] }
    guard let digest, let witnesses = board.witnesses[unit] else {
      trustUnchecked(process)
      return [.accept(peer, unit)]
    }
    if witnesses.contradict(digest, of: process) {
      board.disbelieve(process, in: unit)
      return takeBack([process])
        + violation(
          peer,
          "it computed \(unit) twice, with two results: its memory or its processor makes errors",
          now)
    }
    if witnesses.confirm(digest, of: process) {
      liars = witnesses.against(digest).union(verification.wrong(about: unit, digest))
      let back = takeBack(liars)
      if back.isEmpty { return [.accept(peer, unit)] }
      dequeue(peer, unit, version: board.version, now)
      return back + expelLiars(unit, now)
    }
    if readyWorkers == 1, witnesses.repeat(digest, of: process) {
      // There is nobody to ask; should it be found to err later, this is taken back.
      trustUnchecked(process)
      return [.accept(peer, unit)]
    }
    dequeue(peer, unit, version: board.version, now)
    board.witness(unit, of: process, from: peer, digest: digest)
    // Each of two workers insists: asked again they would say the same.
    let isStuck =
      witnesses.answers.count + 1 == 2 * Self.answersMost && board.waiting.contains(unit)
    let note = CoordinatorNote.failure(
      worker: nil, reason: "workers differ in \(unit) each time: another one has to decide")
    return (isStuck ? [.note(note)] : []) + distribute(now)
  }

  /// Puts out those that answered a verified unit otherwise than two others.
  mutating func expelLiars(_ unit: WorkUnit, _ now: Duration) -> [CoordinatorAction] {
    if liars.isEmpty { return [] }
    defer { liars = [] }
    let peers = members.filter { liars.contains($0.value.process) }.keys.sorted()
    return peers.flatMap { peer in
      violation(
        peer,
        "its gradient of \(unit) is another than two workers computed: its memory or its "
          + "processor makes errors", now)
    }
  }

  /// A second answer must equal the first.
  mutating func checkLate(
    _ peer: PeerID, _ unit: WorkUnit, _ version: Int, _ digest: Digest?, _ now: Duration
  ) -> [CoordinatorAction] {
    let answers = [board.version: board.answers, board.version - 1: previousAnswers]
    guard let digest, let first = answers[version]?[unit], let firstDigest = first.digest,
      firstDigest != digest, let process = members[peer]?.process
    else { return [] }
    guard verification.contains(unit) else {
      let note = CoordinatorNote.failure(
        worker: members[peer]?.worker,
        reason:
          "its gradient of \(unit) is \(digest), another worker's was \(firstDigest): one of the "
          + "two machines makes errors")
      let update = version == board.version ? updatesApplied : updatesApplied - 1
      let answers = [first, Answer(process: process, digest: digest)]
      return [.note(note)] + dispute([unit: answers], ofUpdate: update)
    }
    return takeBack([process])
      + violation(
        peer,
        "its gradient of \(unit) is \(digest), two other workers' was \(firstDigest): its "
          + "memory or its processor makes errors", now)
  }

  /// Has steps of an update computed again, by two workers, since nobody believes them.
  ///
  /// - Returns: nothing where that was done before, or where work is no longer given out.
  mutating func doubt(_ steps: [Int], ofUpdate update: Int) -> [CoordinatorAction] {
    dispute(.init(uniqueKeysWithValues: steps.map { (.step($0), []) }), ofUpdate: update)
  }

  private mutating func dispute(
    _ units: [WorkUnit: [Answer]], ofUpdate update: Int
  ) -> [CoordinatorAction] {
    guard isComputing, units.keys.contains(where: { !verification.contains($0) }) else {
      return []
    }
    verification.disputes.merge(units) { $0 + $1 }
    phase = .goingBack
    return [.goBack(before: update)]
  }

  /// Remembers since when the weights may hold a machine's errors.
  private mutating func trustUnchecked(_ process: WorkerProcess) {
    let machine = process.machine
    unchecked[machine] = min(unchecked[machine] ?? updatesApplied, updatesApplied)
  }

  /// Asks the host to go back to before the gradients of these workers' machines that nobody
  /// checked, where there are any.
  private mutating func takeBack(_ liars: Set<WorkerProcess>) -> [CoordinatorAction] {
    guard !liars.isEmpty, isComputing else { return [] }
    let since = wasResumed ? 0 : liars.compactMap { unchecked[$0.machine] }.min()
    guard let since else { return [] }
    phase = .goingBack
    return [.goBack(before: since)]
  }

  /// The weights are those of an earlier position again; everything after it is computed anew.
  public mutating func wentBack(to position: RunPosition, now: Duration) -> [CoordinatorAction] {
    updatesApplied = position.updates
    epochsFinished = position.epochs
    // What is still on its way was computed with other weights, though of the same count.
    rollbacks += 1
    previousAnswers = [:]
    unchecked = unchecked.filter { $0.value < position.updates }
    if position.updates == 0 { wasResumed = false }
    for peer in members.keys {
      guard var member = members[peer] else { continue }
      member.voidSince = member.voidSince ?? member.queue.first?.since
      member.queue = []
      members[peer] = member
    }
    return isOver ? [] : nextPhase(now)
  }
}
