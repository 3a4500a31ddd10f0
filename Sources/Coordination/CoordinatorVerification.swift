// Who computes wrong: the part of the coordinator's rules that compares answers bit by bit, and
// takes back what a worker that makes errors may have done.

import Primitives

extension CoordinatorRules {
  /// How often one worker computes a unit that is verified, where there are others.
  static let answersMost = 3

  /// Has the host take in the answer to a unit that is needed, once it is confirmed where the unit
  /// is verified; whoever answered something else goes.
  mutating func judge(
    _ peer: PeerID, _ unit: WorkUnit, _ answer: Answer, _ now: Duration
  ) -> [CoordinatorAction] {
    let process = answer.process
    guard let witnesses = board.witnesses[unit] else {
      if !answer.isFinite { return doubtNoNumber(peer, unit, answer, now) }
      trustUnchecked(process)
      return accept(peer, unit, answer)
    }
    if witnesses.contradict(answer) {
      board.disbelieve(process, in: unit)
      return takeBack([process])
        + violation(
          peer,
          "it computed \(unit) twice, with two results: its memory or its processor makes errors",
          now)
    }
    // A machine that comes to no number where another comes to one makes errors.
    if !answer.isFinite, witnesses.answers.contains(where: \.isFinite) {
      return takeBack([process]) + violation(peer, Self.error(in: unit), now)
    }
    if witnesses.confirm(answer) {
      liars = witnesses.against(answer).union(verification.settle(unit, answer))
      let back = takeBack(liars)
      if back.isEmpty { return accept(peer, unit, answer) }
      dequeue(peer, unit, version: board.version, now)
      return back + expelLiars(unit, now)
    }
    if readyWorkers == 1, witnesses.repeat(answer) {
      // There is nobody to ask; should it be found to err later, this is taken back.
      trustUnchecked(process)
      return accept(peer, unit, answer)
    }
    dequeue(peer, unit, version: board.version, now)
    board.witness(unit, answer, from: peer)
    if answer.isFinite {
      liars = Set(witnesses.answers.filter { !$0.isFinite }.map(\.process))
      for liar in liars { board.disbelieve(liar, in: unit) }
      if !liars.isEmpty { return takeBack(liars) + expelLiars(unit, now) + distribute(now) }
    }
    // Each of two workers insists: asked again they would say the same.
    let isStuck =
      witnesses.answers.count + 1 == 2 * Self.answersMost && board.waiting.contains(unit)
    let note = CoordinatorNote.failure(
      worker: nil, reason: "the answers to \(unit) differ each time: another worker has to decide")
    return (isStuck ? [.note(note)] : []) + distribute(now)
  }

  private mutating func accept(
    _ peer: PeerID, _ unit: WorkUnit, _ answer: Answer
  ) -> [CoordinatorAction] {
    accepting = answer
    return [.accept(peer, unit)]
  }

  /// One machine's error, or a run that diverges: two workers decide.
  private mutating func doubtNoNumber(
    _ peer: PeerID, _ unit: WorkUnit, _ answer: Answer, _ now: Duration
  ) -> [CoordinatorAction] {
    dequeue(peer, unit, version: board.version, now)
    let note = CoordinatorNote.failure(
      worker: members[peer]?.worker,
      reason: "its answer to \(unit) is not finite: two workers compute it again")
    return [.note(note)] + dispute([unit: [answer]], ofUpdate: updatesApplied)
  }

  private static func error(in unit: WorkUnit) -> String {
    "its answer to \(unit) is another than other workers' were: its memory or its processor makes "
      + "errors"
  }

  /// Puts out those that answered a verified unit otherwise than two others.
  mutating func expelLiars(_ unit: WorkUnit, _ now: Duration) -> [CoordinatorAction] {
    if liars.isEmpty { return [] }
    defer { liars = [] }
    let peers = members.filter { liars.contains($0.value.process) }.keys.sorted()
    return peers.flatMap { peer in
      violation(peer, Self.error(in: unit), now)
    }
  }

  /// A second answer must equal the first.
  mutating func checkLate(
    _ peer: PeerID, _ unit: WorkUnit, _ version: Int, _ answer: Answer, _ now: Duration
  ) -> [CoordinatorAction] {
    let answers = [board.version: board.answers, board.version - 1: previousAnswers]
    guard let first = answers[version]?[unit], first.digest != answer.digest else { return [] }
    guard verification.contains(unit) else {
      let note = CoordinatorNote.failure(
        worker: members[peer]?.worker,
        reason: "its answer to \(unit) is another than that of the worker before: one of the two "
          + "machines makes errors")
      let update = version == board.version ? updatesApplied : updatesApplied - 1
      return [.note(note)] + dispute([unit: [first, answer]], ofUpdate: update)
    }
    return takeBack([answer.process]) + violation(peer, Self.error(in: unit), now)
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
  public mutating func wentBack(
    toUpdate updates: Int, epochs: Int, now: Duration
  ) -> [CoordinatorAction] {
    if updates < updatesApplied { verification.goBack() }
    updatesApplied = updates
    epochsFinished = epochs
    // What is still on its way was computed with other weights, though of the same count.
    rollbacks += 1
    previousAnswers = [:]
    unchecked = unchecked.filter { $0.value < updates }
    if updates == 0 { wasResumed = false }
    for peer in members.keys { members[peer]?.cancelQueue() }
    return isOver ? [] : nextPhase(now)
  }
}
