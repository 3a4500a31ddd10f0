// Who computes wrong: the part of the coordinator's rules that compares answers bit by bit, and
// takes back what a worker that makes errors may have done.

import Engine

extension CoordinatorRules {
  /// How often one worker computes a unit that is verified.
  static let answersMost = 3

  /// Has the host take in the answer to a unit that is needed, once it is confirmed where the unit
  /// is verified; whoever answered something else goes.
  mutating func judge(
    _ peer: PeerID, _ unit: WorkUnit, _ digest: Digest?, _ now: Duration
  ) -> [CoordinatorAction] {
    guard let digest, let witnesses = board.witnesses[unit] else {
      if case .step = unit { trustWithoutCheck(peer) }
      return [.accept(peer, unit)]
    }
    if witnesses.contradict(digest, of: peer) {
      board.disbelieve(peer, in: unit)
      return takeBack([peer])
        + violation(
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
    let liars = witnesses.against(digest).sorted()
    let back = takeBack(liars)
    if !back.isEmpty { dequeue(peer, unit, version: board.version, now) }
    var actions = back.isEmpty ? [.accept(peer, unit)] : back
    for liar in liars {
      actions += violation(
        liar,
        "its gradient of \(unit) is another than two workers computed: its memory or its "
          + "processor makes errors", now)
    }
    return actions
  }

  /// A second answer must equal the first.
  mutating func checkLate(
    _ peer: PeerID, _ unit: WorkUnit, _ version: Int, _ digest: Digest?, _ now: Duration
  ) -> [CoordinatorAction] {
    let answers = [board.version: board.answers, board.version - 1: previousAnswers]
    guard let digest, let first = answers[version]?[unit], let first, first != digest else {
      return []
    }
    return violation(
      peer, "its gradient of \(unit) is \(digest), another worker's was \(first)", now)
  }

  /// Remembers since when the weights may hold a machine's errors.
  private mutating func trustWithoutCheck(_ peer: PeerID) {
    guard verification.fraction > 0, let machine = members[peer]?.identity.machine else { return }
    let since = wasResumed && verification.fraction < 1 ? 0 : updatesApplied
    unchecked[machine] = min(unchecked[machine] ?? since, since)
  }

  /// Asks the host to go back to before the gradients of these workers' machines that nobody
  /// checked, where there are any.
  private mutating func takeBack(_ liars: [PeerID]) -> [CoordinatorAction] {
    let since = liars.compactMap { members[$0].flatMap { unchecked[$0.identity.machine] } }.min()
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
    for peer in members.keys {
      guard var member = members[peer] else { continue }
      member.voidSince = member.voidSince ?? member.queue.first?.since
      member.queue = []
      member.weights = nil
      members[peer] = member
    }
    return isOver ? [] : nextPhase(now)
  }
}
