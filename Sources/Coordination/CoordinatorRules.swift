// The coordinator's rules: events go in, decisions come out. No input or output, no clock, no
// threads: the host of the rules does what they decide and says what time it is.

import Primitives
import Wire

/// The state machine of a training run: who takes part, who computes what, when an update is
/// complete, when an epoch is.
///
/// What is computed and in which order it is summed depends on the `Schedule` alone; the workers,
/// their speed and their fate decide only who computes it.
public struct CoordinatorRules: Sendable {
  /// Training begins without those of the program's workers that are not ready so long after the
  /// first.
  private static let gatheringMost = Duration.seconds(30)

  let schedule: Schedule
  /// The version of Dogsled that every worker must have.
  let release: String
  let minimumWorkers: Int
  /// The answer that every worker must give.
  let probe: ProbeAnswer
  var members: Membership
  var phase = Phase.gathering(firstReady: nil)
  var verification: Verification
  var patience: Patience
  var chain = Chain()

  /// The version of the present weights.
  public internal(set) var weightsVersion: WeightsVersion
  /// Epochs that are over, validation included.
  var epochsFinished: Int

  /// The rules of a run, at its start or at a checkpoint.
  ///
  /// - Parameters:
  ///   - version: of Dogsled; workers must have the same.
  ///   - minimumWorkers: ready workers that training waits for before it starts.
  ///   - localWorkers: the numbers of the worker processes that the program launched, which are
  ///     workers 1, 2 and so on; when none is left, nor any other worker, the run ends. Empty for a
  ///     coordinator that workers join from elsewhere.
  ///   - probe: what a worker must make of the probe.
  ///   - verify: the fraction of units that two workers compute, chosen by `seed`.
  ///   - heartbeatBound: silence after which a worker's connection counts as lost.
  ///   - updates: applied before, by the checkpoint that the run goes on from.
  ///   - epochs: that were over then.
  public init(
    schedule: Schedule, version: String, minimumWorkers: Int = 1, localWorkers: [UInt64] = [],
    probe: ProbeAnswer = .none, verify: Double = 0, seed: UInt64 = 0,
    heartbeatBound: Duration = .seconds(3), updates: Int = 0, epochs: Int = 0
  ) {
    self.schedule = schedule
    release = version
    self.minimumWorkers = minimumWorkers
    self.probe = probe
    members = Membership(LaunchedProcesses(localWorkers))
    verification = Verification(seed: seed, fraction: verify, after: updates)
    patience = Patience(heartbeatBound: heartbeatBound)
    weightsVersion = WeightsVersion(update: updates)
    epochsFinished = epochs
  }

  /// Updates applied so far.
  public var updatesApplied: Int { weightsVersion.update }

  /// Workers that are ready for work.
  public var readyWorkers: Int { members.readyCount }

  /// Everybody who is connected, workers or not.
  public var peers: [PeerID] { members.peers }

  // MARK: Signals, clock and end

  /// The coordinator is there; nobody else is.
  public mutating func start(now: Duration) -> [CoordinatorAction] {
    patience.start(now: now)
    // A run that goes on may have had nothing left to do but to write its model.
    if updatesApplied >= schedule.updates, epochsFinished >= schedule.epochs {
      return stop(.finished)
    }
    return [.note(.waiting(ready: 0, needed: minimumWorkers))]
  }

  /// A signal asks for the end: the run ends after the update under way; at once where there is
  /// none, where nobody computes it, or when asked a second time.
  public mutating func interrupted(now: Duration) -> [CoordinatorAction] {
    if phase.isOver { return [] }
    guard case .updating(let board, isLast: false) = phase, readyWorkers > 0 else {
      return [.note(.interrupted(finishing: false))] + stop(.interrupted)
    }
    phase = .updating(board, isLast: true)
    return [.note(.interrupted(finishing: true))]
  }

  /// Time has passed: what was expected of a worker may have changed.
  public mutating func tick(now: Duration) -> [CoordinatorAction] {
    patience.tick(now: now)
    if case .gathering(let firstReady?) = phase, members.launched.count > 0, !members.able.isEmpty,
      now - firstReady > Self.gatheringMost
    {
      let note = CoordinatorNote.failure(
        worker: nil,
        reason: "only \(members.able.count) of \(needed) local workers are ready: the run "
          + "begins without the others")
      return [.note(note)] + nextPhase(now)
    }
    return breakSlowLinks(now) + distribute(now) + duplicateSlowest(now) + dismissStuck(now)
  }

  /// The host cannot go on.
  /// - Parameter ending: `failed` or `cutShort`.
  public mutating func failed(_ ending: RunEnding) -> [CoordinatorAction] {
    phase.isOver ? [] : stop(ending)
  }

  /// The host expects nothing of further epochs: the run ends as after its last one.
  public mutating func enough() -> [CoordinatorAction] {
    phase.isOver ? [] : stop(.finished)
  }

  mutating func stop(_ ending: RunEnding) -> [CoordinatorAction] {
    phase = .over
    return [.stop(ending)]
  }

  // MARK: Phases

  /// Ready workers that training waits for: of those that the program launched, no more than live.
  var needed: Int {
    guard phase.isGathering else { return 1 }
    let launched = members.launched
    return launched.count > 0 ? min(minimumWorkers, launched.livingCount) : minimumWorkers
  }

  /// Begins training where enough workers hold the weights, so that each gets its share at once.
  mutating func gather(_ now: Duration) -> [CoordinatorAction] {
    let able = members.able.count
    if able > 0, able >= needed { return nextPhase(now) }
    if readyWorkers > 0, readyWorkers >= needed { return [] }
    return [.note(.waiting(ready: readyWorkers, needed: max(1, needed)))]
  }

  /// Begins what follows the updates and epochs done so far.
  ///
  /// - Parameters:
  ///   - ended: actions for the phase that has just ended; they come after the new work is given
  ///     out, so that workers do not wait for files to be written.
  ///   - isLast: whether a signal asked for the end: an update that was begun is still finished.
  mutating func nextPhase(
    _ now: Duration, after ended: [CoordinatorAction] = [], isLast: Bool = false
  ) -> [CoordinatorAction] {
    let update = updatesApplied
    if update / schedule.updatesPerEpoch > epochsFinished {
      if isLast { return ended + stop(.interrupted) }
      if schedule.validationBatches == 0 {
        epochsFinished += 1
        return nextPhase(now, after: ended + [.finishEpoch(epochsFinished - 1)])
      }
      verification.begin(
        validation: schedule.validationBatches, of: epochsFinished, version: weightsVersion)
      phase = .validating(board((0..<schedule.validationBatches).map(WorkUnit.validation)))
    } else if update < schedule.updates {
      let units = schedule.steps(ofUpdate: update).units(of: stepsOfUnit)
      verification.begin(units, version: weightsVersion)
      phase = .updating(board(units), isLast: isLast)
    } else {
      return ended + stop(.finished)
    }
    return distribute(now) + ended
  }

  /// Consecutive steps of the update under way that one worker computes, and sends as one what is
  /// summed of them.
  ///
  /// That is as many as leave each worker a unit where their links are slow: a power of two, as
  /// nodes of the tree have, and at most as many gradients as are summed at once. One where work is
  /// on this machine, or one worker is much slower than another, so that the quicker can do more.
  var stepsOfUnit: Int {
    let steps = schedule.steps(ofUpdate: min(updatesApplied, schedule.updates - 1))
    if let count = verification.stepsOfDisputes(in: steps) { return count }
    guard chain.isInUse else { return 1 }
    let paces = members.able.compactMap { $0.progress.pace.quickest }
    guard let quickest = paces.min(), let slowest = paces.max() else { return 1 }
    let share = steps.count / max(1, members.able.count)
    let most = slowest > quickest * 1.5 ? share / 2 : share
    var count = 1
    while count < Self.stepsOfUnitMost, count * 2 <= most { count *= 2 }
    return count
  }

  private static let stepsOfUnitMost = 8

  private func board(_ units: [WorkUnit]) -> WorkBoard {
    WorkBoard(units, version: weightsVersion, missing: verification.missing)
  }
}
