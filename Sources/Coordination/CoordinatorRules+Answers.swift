// What workers answer: the part of the coordinator's rules that decides which answers count, and
// what follows from those that do not.

import Primitives
import Wire

extension CoordinatorRules {
  /// A worker sent the gradient of a step; it could be decoded and is what its header says.
  public mutating func gradient(
    _ peer: PeerID, _ header: GradientHeader, now: Duration
  ) -> GradientDecision {
    let decision = answered(
      peer, WorkUnit(header), header.weightsVersion, header.answer,
      isFinite: header.isFinite, now)
    switch decision {
    case .drop(let consequence): return .drop(consequence)
    case .keep(let expelled):
      let update = updatesApplied
      let place = header.step - schedule.steps(ofUpdate: update).lowerBound
      guard phase.board?.isComplete == true else {
        return .keep(place: place, then: expelled + distribute(now))
      }
      guard verification.isFinite else {
        return .keep(
          place: place, then: expelled + stop(.diverged("the loss", "update \(update + 1)")))
      }
      return .completeUpdate(place: place, first: expelled, ahead: completeUpdate(now))
    }
  }

  /// A worker sent the totals of a validation batch, which can be right.
  public mutating func evaluated(
    _ peer: PeerID, _ header: EvaluationHeader, now: Duration
  ) -> EvaluationDecision {
    let decision = answered(
      peer, .validation(header.batch), header.weightsVersion, header.answer,
      isFinite: header.loss.isFinite, now)
    let expelled: [CoordinatorAction]
    switch decision {
    case .drop(let consequence): return .drop(consequence)
    case .keep(let actions): expelled = actions
    }
    guard phase.board?.isComplete == true else {
      return .keep(then: expelled + distribute(now))
    }
    let epoch = epochsFinished
    guard verification.isFinite else {
      return .keep(then: expelled + stop(.diverged("the validation loss", "epoch \(epoch + 1)")))
    }
    epochsFinished += 1
    return .keep(then: expelled + nextPhase(now, after: [.finishEpoch(epoch)]))
  }

  /// A worker sent an answer that the host cannot use: it goes.
  ///
  /// Where the unit is one of those that are verified, an answer that cannot be right counts as a
  /// wrong one.
  public mutating func unusable(
    _ peer: PeerID, _ unit: WorkUnit, _ version: WeightsVersion, _ fault: AnswerFault,
    now: Duration
  ) -> Consequence {
    guard isAsked(peer, for: unit, version) else { return unasked(peer, unit, now: now) }
    switch fault {
    case .damaged(let reason): return .goOn(putOut(peer, reason, now))
    case .impossible(let reason):
      let process = members[peer]?.process
      let update = process.flatMap { verification.impossible(unit, from: $0) }
      return putOut(peer, reason, errsSince: update, now)
    }
  }

  /// Whether a peer was given a unit that it answers: only then is the answer worth a look.
  public func isAsked(_ peer: PeerID, for unit: WorkUnit, _ version: WeightsVersion) -> Bool {
    guard let progress = members[peer]?.progress else { return false }
    // It says that it holds weights before it answers with them.
    if version == weightsVersion, progress.weights == .held(isConfirmed: false) { return false }
    return progress.standing(of: unit, version) != nil
  }

  /// The unit that a worker was given and that a step belongs to; nil where it was given none.
  public func unit(of peer: PeerID, step: Int, _ version: WeightsVersion) -> WorkUnit? {
    members[peer]?.progress?.unit(of: step, version)
  }

  /// Whether an answer to a unit would count: only then are its numbers worth the memory.
  public func wants(_ peer: PeerID, _ unit: WorkUnit, _ version: WeightsVersion) -> Bool {
    members[peer]?.progress?.standing(of: unit, version) == .assigned
      && version == weightsVersion && phase.board?.needs(unit) == true
  }

  /// Whether what a worker sends counts for nothing, since it computes with weights that are not
  /// the coordinator's.
  public func ignores(_ peer: PeerID) -> Bool {
    if case .strayed? = members[peer]?.progress?.weights { true } else { false }
  }

  /// Whether two workers have to agree about a unit before its numbers may go anywhere.
  public func isVerified(_ unit: WorkUnit) -> Bool { verification.contains(unit) }

  /// A worker's gradient of a unit is another than what workers were sent of it, which another
  /// worker had computed that was lost: one of the two machines makes errors.
  public mutating func contradicts(
    _ peer: PeerID, _ unit: WorkUnit, _ version: WeightsVersion, now: Duration
  ) -> Consequence {
    finish(peer, unit, version, now)
    _ = verification.doubt([unit])
    phase.rollBack()
    let note = CoordinatorNote.failure(
      worker: members[peer]?.number,
      reason: "its answer to \(unit) is another than what a worker that was lost had sent of it: "
        + "two workers compute it again")
    return .rollBack(before: version.update, reason: note)
  }

  /// A peer answered a unit that it was not given: it goes.
  public mutating func unasked(_ peer: PeerID, _ unit: WorkUnit, now: Duration) -> Consequence {
    let isReady = members[peer]?.isReady == true
    let when = isReady ? ", which it was not given" : " before it was ready"
    return .goOn(putOut(peer, "answered \(unit)\(when)", now))
  }

  /// What becomes of an answer.
  private enum Judgement {
    /// It counts; the actions put out those who answered something else.
    case keep(expelled: [CoordinatorAction])
    /// It is not needed, or not believed.
    case drop(Consequence)
  }

  /// Decides whether an answer counts, and notes it where it does.
  ///
  /// Who answers what it was not given goes.
  private mutating func answered(
    _ peer: PeerID, _ unit: WorkUnit, _ version: WeightsVersion, _ digest: Digest, isFinite: Bool,
    _ now: Duration
  ) -> Judgement {
    if ignores(peer) { return .drop(.goOn([])) }
    guard isAsked(peer, for: unit, version), let progress = members[peer]?.progress,
      let standing = progress.standing(of: unit, version)
    else { return .drop(unasked(peer, unit, now: now)) }
    let answer = Answer(process: progress.process, digest: digest, isFinite: isFinite)
    switch standing {
    case .assigned where version == weightsVersion && phase.board?.needs(unit) == true:
      return judge(peer, unit, answer, now)
    case .assigned: finish(peer, unit, version, now)
    case .void:
      members[peer]?.progress?.finishVoid(unit, version, now: now, time: patience.time)
    }
    // Weights that were past when it said that it holds them were not compared: they may differ.
    guard progress.confirmed == version else { return .drop(.goOn(distribute(now))) }
    return .drop(checkLate(peer, unit, version, answer, now))
  }

  /// An answer to a unit that is needed counts once it is confirmed, where the unit is verified;
  /// whoever answered something else goes.
  private mutating func judge(
    _ peer: PeerID, _ unit: WorkUnit, _ answer: Answer, _ now: Duration
  ) -> Judgement {
    switch verification.judge(unit, answer, isAlone: readyWorkers == 1) {
    case .counts(let faulty):
      finish(peer, unit, weightsVersion, now)
      phase.board?.finish(unit)
      return .keep(expelled: expel(faulty, unit, now))
    case .needsAnother(let faulty):
      finish(peer, unit, weightsVersion, now)
      phase.board?.release(unit, from: peer, missing: verification.missing(unit))
      let expelled = expel(faulty, unit, now)
      let isStuck = verification.isStuck(unit) && phase.board?.waiting.contains(unit) == true
      let note = CoordinatorNote.failure(
        worker: nil,
        reason: "the answers to \(unit) differ each time: another worker has to decide")
      return .drop(.goOn(expelled + (isStuck ? [.note(note)] : []) + distribute(now)))
    case .faulty(let fault, let update):
      phase.board?.want(verification.missing(unit), of: unit)
      return .drop(putOut(peer, Self.reason(fault, unit), errsSince: update, now))
    case .rollBack(let update, let faulty):
      finish(peer, unit, weightsVersion, now)
      phase.rollBack()
      return .drop(.rollBack(before: update, then: expel(faulty, unit, now)))
    case .disputed(let update):
      // One machine's error, or a run that diverges: two workers decide.
      finish(peer, unit, weightsVersion, now)
      phase.rollBack()
      let note = CoordinatorNote.failure(
        worker: members[peer]?.number,
        reason: "its answer to \(unit) is not finite: two workers compute it again")
      return .drop(.rollBack(before: update, reason: note))
    }
  }

  /// A second answer must equal the first.
  private mutating func checkLate(
    _ peer: PeerID, _ unit: WorkUnit, _ version: WeightsVersion, _ answer: Answer, _ now: Duration
  ) -> Consequence {
    switch verification.judgeLate(unit, version: version, answer) {
    case .agrees: return .goOn(distribute(now))
    case .disputed(let update):
      phase.rollBack()
      let note = CoordinatorNote.failure(
        worker: members[peer]?.number,
        reason: "its answer to \(unit) is another than that of the worker before: one of the two "
          + "machines makes errors")
      return .rollBack(before: update, reason: note)
    case .faulty(let update):
      return putOut(peer, Self.reason(.contradictsOthers, unit), errsSince: update, now)
    }
  }

  /// A worker has answered a unit of its queue.
  private mutating func finish(
    _ peer: PeerID, _ unit: WorkUnit, _ version: WeightsVersion, _ now: Duration
  ) {
    let duration = members[peer]?.progress?.finish(unit, version, now: now, time: patience.time)
    if let duration = duration ?? nil { patience.append(duration, of: unit) }
  }

  /// Puts out a worker that makes errors.
  /// - Parameter update: since which the weights may hold some; nil where they hold none.
  private mutating func putOut(
    _ peer: PeerID, _ reason: String, errsSince update: Int?, _ now: Duration
  ) -> Consequence {
    guard let update else { return .goOn(putOut(peer, reason, now)) }
    phase.rollBack()
    return .rollBack(before: update, then: putOut(peer, reason, now))
  }

  /// Puts out those that answered a verified unit otherwise than two others.
  private mutating func expel(
    _ faulty: Set<WorkerProcess>, _ unit: WorkUnit, _ now: Duration
  ) -> [CoordinatorAction] {
    let peers = members.peers.filter { members[$0]?.process.map(faulty.contains) == true }
    return peers.flatMap { putOut($0, Self.reason(.contradictsOthers, unit), now) }
  }

  private static func reason(_ fault: Verification.Fault, _ unit: WorkUnit) -> String {
    let what =
      switch fault {
      case .contradictsItself: "it computed \(unit) twice, with two results"
      case .contradictsOthers: "its answer to \(unit) is another than other workers' were"
      }
    return "\(what): its memory or its processor makes errors"
  }
}
