// The coordinator's rules: events go in, actions come out, in order. No input or output, no clock,
// no threads: the host of the rules performs the actions and says what time it is.

import Primitives
import Wire

/// The state machine of a training run: who takes part, who computes what, when an update is
/// complete, when an epoch is.
///
/// What is computed and in which order it is summed depends on the `Schedule` alone; the members,
/// their speed and their fate decide only who computes it.
public struct CoordinatorRules: Sendable {
  /// Work units that a worker has at once, so that it never idles.
  static let queueDepth = 2
  /// A unit is given to an idle worker too when it takes this many times the median...
  static let slowFactor = 2
  /// ...and at least this long.
  static let slowFloor = Duration.milliseconds(50)
  /// ...or this long where the median is not known yet.
  static let slowUnknown = Duration.seconds(10)
  /// Training begins without those of the program's workers that are not ready so long after the
  /// first.
  static let gatheringMost = Duration.seconds(30)

  enum Phase: Sendable {
    /// Not enough workers yet.
    case gathering
    /// Computing the update's gradients, or the validation of the epoch.
    case updating(Int)
    case validating(epoch: Int)
    /// The host looks for earlier weights.
    case goingBack
    case over
  }

  struct Assignment: Sendable {
    let unit: WorkUnit
    let version: Int
    /// When the worker could begin it.
    var since: Duration

    /// Whether it is what an answer is to.
    func isFor(_ unit: WorkUnit, version: Int) -> Bool {
      self.unit == unit && self.version == version
    }
  }

  struct Member: Sendable {
    var identity: WorkerIdentity
    /// The process, once it has said hello.
    var process = WorkerProcess(token: 0, machine: "")
    /// Its number, once welcome.
    var worker: Int? { identity.number }
    var isReady = false
    /// The version of the weights it has been sent.
    var weights: Int?
    var queue: [Assignment] = []
    /// What newer weights made void and it may have answered before it knew.
    var void: [Assignment] = []
    /// When it began what it may still compute of that.
    var voidSince: Duration?
    var pace = Pace()
    /// By `patience`, since when it owes an answer; nil where it has nothing to do.
    var owesSince: Duration?
    /// Whether it was said that the run waits for it.
    var isWaitedFor = false
  }

  let schedule: Schedule
  let version: String
  let minimumWorkers: Int
  let hasLocalWorkers: Bool
  /// The answer that every worker must give.
  let probe: ProbeAnswer
  var verification: Verification
  /// Worker processes that the program launched and that have not ended, by index.
  var localWorkers: Set<Int>
  /// The numbers of the worker processes that the program launched, by their tokens.
  private let localNumbers: [UInt64: Int]
  /// Why they were put out, those that were, by number.
  private var faults: [Int: String] = [:]
  var members: [PeerID: Member] = [:]
  /// All that are connected.
  package var peers: [PeerID] { members.keys.sorted() }
  var phase = Phase.gathering
  var board: WorkBoard
  /// Those of the update before, to compare late ones with.
  var previousAnswers: [WorkUnit: Answer] = [:]
  var stepDurations = RecentDurations()
  var validationDurations = RecentDurations()
  var isInterrupted = false
  /// Epochs that are over, validation included.
  package var epochsFinished: Int
  /// By machine, the update since which gradients of it that nobody checked are in the weights.
  var unchecked: [String: Int] = [:]
  /// How often the weights were taken back.
  var rollbacks = 0
  /// What came before is another coordinator's: nobody knows whose gradients it holds.
  var wasResumed: Bool
  /// The answer that is being taken in.
  var accepting: Answer?
  /// Workers that answered the unit that is being taken in otherwise than two others.
  var liars: Set<WorkerProcess> = []
  /// How long silence of a worker's machine is borne.
  let heartbeatBound: Duration
  /// Time that passed while this process ran: what a worker's patience is measured by.
  var patience = Duration.zero
  var lastTick = Duration.zero
  private var nextWorker: Int
  private var lastRefusal: String?
  /// Why the last of the program's workers ended; whether it might not, the next time.
  private var lastExit = (reason: "", mayPass: true)
  /// When the first worker was ready.
  private var firstReady: Duration?

  /// Updates applied so far.
  public internal(set) var updatesApplied: Int

  /// The version of the present weights, for the workers: grows with every change of theirs.
  public var weightsVersion: Int { rollbacks << 40 + updatesApplied }

  /// The rules of a run, at its start or at a checkpoint.
  ///
  /// - Parameters:
  ///   - version: of Dogsled; workers must have the same.
  ///   - minimumWorkers: ready workers that training waits for before it starts.
  ///   - localWorkers: the tokens of the worker processes that the program launched, which are
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
    let verification = Verification(seed: seed, fraction: verify)
    self.verification = verification
    self.heartbeatBound = heartbeatBound
    self.probe = probe
    self.schedule = schedule
    self.version = version
    self.minimumWorkers = minimumWorkers
    self.localWorkers = Set(localWorkers.indices)
    localNumbers = Dictionary(zip(localWorkers, 1...)) { first, _ in first }
    nextWorker = localWorkers.count + 1
    hasLocalWorkers = !localWorkers.isEmpty
    updatesApplied = updates
    epochsFinished = epochs
    wasResumed = updates > 0
    board = WorkBoard([], version: updates, verification: verification)
  }

  /// Workers that are ready for work.
  public var readyWorkers: Int { members.values.count { $0.isReady } }

  /// Whether the run has ended.
  public var isOver: Bool {
    if case .over = phase { true } else { false }
  }

  var isGathering: Bool {
    if case .gathering = phase { true } else { false }
  }

  /// Whether there is work to give out.
  var isComputing: Bool {
    switch phase {
    case .updating, .validating: true
    case .gathering, .goingBack, .over: false
    }
  }

  // MARK: Membership

  /// The coordinator is there; nobody else is.
  public mutating func start(now: Duration) -> [CoordinatorAction] {
    lastTick = now
    // A run that goes on may have had nothing left to do but to write its model.
    if updatesApplied >= schedule.updates, epochsFinished >= schedule.epochs {
      return stop(.finished)
    }
    return [.note(.waiting(ready: 0, needed: minimumWorkers))]
  }

  /// A peer connected.
  public mutating func opened(
    _ peer: PeerID, address: String, now: Duration
  ) -> [CoordinatorAction] {
    guard !isOver else { return [.close(peer)] }
    members[peer] = Member(identity: .init(number: nil, name: "", address: address))
    return []
  }

  /// A peer said who it is.
  public mutating func hello(
    _ peer: PeerID, _ hello: Hello, now: Duration
  ) -> [CoordinatorAction] {
    guard let member = members[peer] else { return [] }
    guard member.worker == nil else { return violation(peer, "said hello twice", now) }
    members[peer]?.identity.name = hello.name
    let machine = [hello.name, member.identity.address].map { text in
      text.lastIndex(of: ":").map { String(text[..<$0]) } ?? text
    }
    members[peer]?.process = WorkerProcess(
      token: hello.token, machine: machine.joined(separator: " "))
    guard hello.version == version else {
      return refuse(
        peer,
        "its dogsled is version \(hello.version) and the coordinator's is \(version): "
          + "install the same version on both")
    }
    let local = localNumbers[hello.token]
    let worker = local ?? nextWorker
    if local == nil { nextWorker += 1 }
    members[peer]?.identity.number = worker
    return [.welcome(peer, worker: worker)]
  }

  /// A worker has the model and the data, and made `answer` of the probe.
  public mutating func ready(
    _ peer: PeerID, _ answer: ProbeAnswer, now: Duration
  ) -> [CoordinatorAction] {
    guard let member = members[peer] else { return [] }
    guard member.worker != nil, !member.isReady else {
      return violation(peer, "said ready out of turn", now)
    }
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
    members[peer]?.isReady = true
    firstReady = firstReady ?? now
    let joined = CoordinatorAction.note(.joined(member.identity))
    return [joined] + (isGathering ? gather(now) : distribute(now))
  }

  /// Ready workers that training waits for: of those that the program launched, no more than live.
  private var needed: Int {
    isGathering ? hasLocalWorkers ? min(minimumWorkers, localWorkers.count) : minimumWorkers : 1
  }

  /// Begins training where enough workers are ready.
  private mutating func gather(_ now: Duration) -> [CoordinatorAction] {
    if readyWorkers > 0, readyWorkers >= needed { return nextPhase(now) }
    return [.note(.waiting(ready: readyWorkers, needed: max(1, needed)))]
  }

  /// A worker cannot take part.
  public mutating func unable(
    _ peer: PeerID, reason: String, now: Duration
  ) -> [CoordinatorAction] {
    guard let member = members[peer] else { return [] }
    noteRefusal(member, reason)
    return [.note(.refused(member.identity, reason: reason)), .close(peer)] + remove(peer, now)
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
    guard !isOver, localWorkers.remove(index) != nil else { return [] }
    let fault = faults.removeValue(forKey: index + 1)
    lastExit = (fault ?? reason, fault == nil)
    return [.note(.exited(worker: index + 1, reason: reason))]
      + stopIfAbandoned() + (isGathering ? gather(now) : [])
  }

  /// Ends a run whose own workers have all ended and that no other has joined.
  private mutating func stopIfAbandoned() -> [CoordinatorAction] {
    guard hasLocalWorkers, localWorkers.isEmpty, members.isEmpty, !isOver else { return [] }
    if isInterrupted { return stop(.interrupted) }
    // Workers that could not take part would not the next time either.
    if firstReady == nil, let lastRefusal {
      return stop(.failed("no worker can take part; the last one: \(lastRefusal)"))
    }
    let reason = "no worker is left; the last one: \(lastExit.reason)"
    return stop(lastExit.mayPass ? .cutShort(reason) : .failed(reason))
  }

  // MARK: Answers

  /// A worker sent the gradient of a step.
  public mutating func gradient(
    _ peer: PeerID, _ header: GradientHeader, now: Duration
  ) -> [CoordinatorAction] {
    answer(
      peer, .step(header.step), version: header.weightsVersion, digest: header.answer,
      isFinite: header.loss.isFinite, now)
  }

  /// A worker sent the totals of a validation batch.
  public mutating func evaluated(
    _ peer: PeerID, _ header: EvaluationHeader, now: Duration
  ) -> [CoordinatorAction] {
    answer(
      peer, .validation(header.batch), version: header.weightsVersion, digest: header.answer,
      isFinite: header.loss.isFinite, now)
  }

  /// The answer that `accept` asked for is taken in.
  public mutating func accepted(
    _ peer: PeerID, _ unit: WorkUnit, now: Duration
  ) -> [CoordinatorAction] {
    guard let answer = accepting else { return [] }
    accepting = nil
    dequeue(peer, unit, version: board.version, now)
    board.finish(unit, answer: answer)
    let expelled = expelLiars(unit, now)
    guard board.isComplete else { return expelled + distribute(now) }
    let isFinite = board.answers.values.allSatisfy(\.isFinite)
    switch phase {
    case .updating(let update):
      guard isFinite else { return expelled + stop(.diverged("the loss", "update \(update + 1)")) }
      return expelled + [.applyUpdate(update, steps: schedule.steps(ofUpdate: update))]
    case .validating(let epoch):
      guard isFinite else {
        return expelled + stop(.diverged("the validation loss", "epoch \(epoch + 1)"))
      }
      epochsFinished = epoch + 1
      return nextPhase(now, after: [.finishEpoch(epoch)])
    case .gathering, .goingBack, .over:
      return expelled
    }
  }

  /// The answer that `accept` asked for makes no sense: its sender goes.
  public mutating func unusable(
    _ peer: PeerID, reason: String, now: Duration
  ) -> [CoordinatorAction] {
    (accepting, liars) = (nil, [])
    return violation(peer, reason, now)
  }

  /// The update is in the weights.
  public mutating func updateApplied(now: Duration) -> [CoordinatorAction] {
    guard !isOver else { return [] }
    updatesApplied += 1
    previousAnswers = board.answers
    return isInterrupted ? stop(.interrupted) : nextPhase(now)
  }

  /// The update made of finite gradients weights that are not finite: its steps are computed
  /// again by two workers, from the checkpoint before on; where that was done before, the run ends.
  public mutating func overflowed(_ update: Int) -> [CoordinatorAction] {
    let again = doubt(Array(schedule.steps(ofUpdate: update)), ofUpdate: update)
    return again.isEmpty ? stop(.diverged("a weight", "update \(update + 1)")) : again
  }

  // MARK: Signals, clock and end

  /// A signal asks for the end: the run ends after the update under way; at once where there is
  /// none, where nobody computes it, or when asked a second time.
  public mutating func interrupted(now: Duration) -> [CoordinatorAction] {
    if isOver { return [] }
    guard case .updating = phase, !isInterrupted, readyWorkers > 0 else {
      return [.note(.interrupted(finishing: false))] + stop(.interrupted)
    }
    isInterrupted = true
    return [.note(.interrupted(finishing: true))]
  }

  /// Time has passed: what was expected of a worker may have changed.
  public mutating func tick(now: Duration) -> [CoordinatorAction] {
    // A tick that comes late means that this process, or its machine, stood still.
    patience += min(now - lastTick, .seconds(1))
    lastTick = now
    if isGathering, hasLocalWorkers, let firstReady, now - firstReady > Self.gatheringMost,
      readyWorkers > 0
    {
      let note = CoordinatorNote.failure(
        worker: nil,
        reason: "only \(readyWorkers) of \(needed) local workers are ready: the run "
          + "begins without the others")
      return [.note(note)] + nextPhase(now)
    }
    return distribute(now) + duplicateSlowest(now) + dismissStuck(now)
  }

  /// The host cannot go on.
  /// - Parameter ending: `failed` or `cutShort`.
  public mutating func failed(_ ending: RunEnding) -> [CoordinatorAction] {
    isOver ? [] : stop(ending)
  }

  mutating func stop(_ ending: RunEnding) -> [CoordinatorAction] {
    phase = .over
    return [.stop(ending)]
  }

  /// Begins what follows the updates and epochs done so far.
  ///
  /// - Parameter ended: actions for the phase that has just ended; they come after the new work
  ///   is given out, so that workers do not wait for files to be written.
  mutating func nextPhase(
    _ now: Duration, after ended: [CoordinatorAction] = []
  ) -> [CoordinatorAction] {
    let update = updatesApplied
    if update / schedule.updatesPerEpoch > epochsFinished {
      if schedule.validationBatches == 0 {
        epochsFinished += 1
        return nextPhase(now, after: ended + [.finishEpoch(epochsFinished - 1)])
      }
      phase = .validating(epoch: epochsFinished)
      verification.validate(epoch: epochsFinished)
      board = WorkBoard(
        (0..<schedule.validationBatches).map(WorkUnit.validation), version: weightsVersion,
        verification: verification)
    } else if update < schedule.updates {
      phase = .updating(update)
      board = WorkBoard(
        schedule.steps(ofUpdate: update).map(WorkUnit.step), version: weightsVersion,
        verification: verification)
    } else {
      return ended + stop(.finished)
    }
    return distribute(now) + ended
  }

  private mutating func refuse(_ peer: PeerID, _ reason: String) -> [CoordinatorAction] {
    guard let member = members.removeValue(forKey: peer) else { return [] }
    noteRefusal(member, reason)
    return [.note(.refused(member.identity, reason: reason)), .refuse(peer, reason: reason)]
      + stopIfAbandoned()
  }

  /// Keeps why a worker that the program launched cannot take part.
  private mutating func noteRefusal(_ member: Member, _ reason: String) {
    if let worker = member.worker, worker <= localNumbers.count { lastRefusal = reason }
  }

  /// Drops a peer that does what no worker of ours does.
  mutating func violation(
    _ peer: PeerID, _ reason: String, _ now: Duration
  ) -> [CoordinatorAction] {
    guard let member = members[peer] else { return [] }
    guard let worker = member.worker else { return refuse(peer, "it \(reason)") }
    if worker <= localNumbers.count { faults[worker] = reason }
    return noteLoss(peer, reason) + [.refuse(peer, reason: reason)] + remove(peer, now)
  }

  private func noteLoss(_ peer: PeerID, _ reason: String) -> [CoordinatorAction] {
    guard let member = members[peer], member.worker != nil else { return [] }
    return [.note(.lost(member.identity, doing: doing(member), reason: reason))]
  }

  private func doing(_ member: Member) -> String {
    guard member.isReady else { return CoordinatorNote.gettingReady }
    guard let first = member.queue.first else {
      return member.voidSince == nil
        ? "had nothing to do" : "was finishing what is no longer needed"
    }
    let others = member.queue.dropFirst().map { ", \($0.unit) to follow" }.joined()
    return "had \(first.unit) to compute\(others)"
  }

  /// Takes a peer off the list and gives what it had to others.
  private mutating func remove(_ peer: PeerID, _ now: Duration) -> [CoordinatorAction] {
    guard let member = members.removeValue(forKey: peer), !isOver else { return [] }
    guard member.isReady else { return stopIfAbandoned() }
    for assignment in member.queue where assignment.version == board.version {
      board.takeBack(assignment.unit, from: peer)
    }
    guard readyWorkers == 0 else { return distribute(now) }
    let ended = isInterrupted ? stop(.interrupted) : stopIfAbandoned()
    return ended.isEmpty ? [.note(.waiting(ready: 0, needed: max(1, needed)))] : ended
  }
}
