import Coordination
import Primitives
import Testing
import Wire

/// A coordinator's rules with peers that a test moves by hand; what the rules decide is collected
/// as it comes.
struct RulesTable {
  /// Something that a host does for the rules.
  enum Deed: Hashable {
    case action(CoordinatorAction)
    case keep(PeerID, WorkUnit)
    case applyUpdate(Int, steps: Range<Int>)
    case rollBack(before: Int)
  }

  var rules: CoordinatorRules
  var now = Duration.zero
  /// Everything since the start, in order.
  var log: [Deed] = []
  /// What each peer has been asked and has not answered.
  var tasks: [PeerID: [WorkUnit]] = [:]
  /// The version of the weights that each peer holds.
  var weights: [PeerID: WeightsVersion] = [:]
  /// The number that each peer was given.
  var numbers: [PeerID: Int] = [:]
  /// What becomes of the weights' updates: whether they stay finite.
  var staysFinite = true
  /// Whether workers say at once that they hold the weights that they are sent.
  var holdsAtOnce = true
  /// Who was sent weights and has not said yet that it holds them.
  private(set) var catchingUp: [PeerID] = []
  /// The version that each peer last said that it holds.
  private var confirmed: [PeerID: WeightsVersion] = [:]
  /// Updates after which there is a checkpoint; the start counts as one.
  var checkpoints: [Int] = []
  private let schedule: Schedule
  private var peers = 0

  init(
    epochs: Int = 1, steps: Int = 4, perUpdate: Int = 2, validation: Int = 2, minimum: Int = 1,
    local: [UInt64] = [], probe: ProbeAnswer = .none, verify: Double = 0,
    heartbeatBound: Duration = .seconds(3), updates: Int = 0, epochsDone: Int = 0
  ) {
    schedule = Schedule(
      epochs: epochs, stepsPerEpoch: steps, batchesPerUpdate: perUpdate,
      validationBatches: validation)
    rules = CoordinatorRules(
      schedule: schedule, version: "1", minimumWorkers: minimum, localWorkers: local,
      probe: probe, verify: verify, heartbeatBound: heartbeatBound, updates: updates,
      epochs: epochsDone)
    perform(rules.start(now: now))
  }

  /// A worker that says hello, and ready unless told otherwise.
  @discardableResult
  mutating func join(
    process: UInt64? = nil, version: String = "1", ready: Bool = true, probe: ProbeAnswer = .none
  ) -> PeerID {
    let peer = PeerID(raw: peers)
    peers += 1
    tasks[peer] = []
    perform(rules.opened(peer, address: "host:\(peer.raw)", now: now))
    let hello = Hello(
      version: version, name: "w\(peer.raw)", process: process ?? UInt64(1000 + peer.raw),
      threads: 1,
      kernels: "baseline")
    say(peer, hello)
    if ready { perform(rules.ready(peer, probe, now: now)) }
    return peer
  }

  /// The peer says hello.
  mutating func say(_ peer: PeerID, _ hello: Hello) {
    switch rules.hello(peer, hello, now: now) {
    case .welcome(let worker): numbers[peer] = worker
    case .turnAway(let actions): perform(actions)
    }
  }

  mutating func lose(_ peer: PeerID) {
    tasks[peer] = nil
    perform(rules.lost(peer, reason: "gone", now: now))
  }

  /// The peer says that it holds the weights that it was sent, or has made.
  /// - Parameter version: nil for the present ones.
  mutating func hold(_ peer: PeerID, at version: WeightsVersion? = nil) {
    catchingUp.removeAll { $0 == peer }
    let version = version ?? weights[peer] ?? .init(update: 0)
    confirmed[peer] = version
    let isRight = version == rules.weightsVersion
    perform(rules.holds(peer, version, isRight: isRight, now: now))
  }

  /// The peer says that it holds weights with another digest than the coordinator's.
  mutating func differ(_ peer: PeerID) {
    let version = weights[peer] ?? .init(update: 0)
    confirmed[peer] = version
    if version == rules.weightsVersion { tasks[peer] = [] }
    perform(rules.holds(peer, version, isRight: false, now: now))
  }

  /// The peer has made the present weights, and says so, where it has not said it before.
  mutating func confirm(_ peer: PeerID) {
    guard let version = weights[peer], confirmed[peer] != version, !catchingUp.contains(peer)
    else { return }
    hold(peer)
  }

  /// The peer answers the oldest unit that it has, otherwise than one that was lost had begun to.
  mutating func contradict(_ peer: PeerID) {
    confirm(peer)
    guard case (let unit, let version)? = next(peer), unit.step != nil else { return }
    follow(rules.contradicts(peer, unit, version, now: now))
  }

  /// A process that the program launched ends.
  mutating func exit(_ index: Int) {
    perform(rules.localWorkerExited(index, reason: "killed", now: now))
  }

  /// The peer answers the oldest unit that it has; a `digest` or a `loss` other than the right one
  /// is a fault.
  mutating func answer(_ peer: PeerID, digest: Digest? = nil, loss: Double = 1) {
    confirm(peer)
    guard let (unit, version) = next(peer) else { return }
    send(peer, unit, version: version, digest: digest, loss: loss)
  }

  /// The peer answers the oldest unit that it has, and the host cannot use it.
  mutating func answer(_ peer: PeerID, unusably fault: AnswerFault) {
    confirm(peer)
    guard let (unit, version) = next(peer) else { return }
    follow(rules.unusable(peer, unit, version, fault, now: now))
  }

  private mutating func next(_ peer: PeerID) -> (WorkUnit, WeightsVersion)? {
    guard let unit = tasks[peer]?.first else { return nil }
    tasks[peer]?.removeFirst()
    return (unit, weights[peer] ?? .init(update: 0))
  }

  /// The peer sends an answer whether it was asked or not.
  mutating func send(
    _ peer: PeerID, _ unit: WorkUnit, version: WeightsVersion, digest: Digest? = nil,
    loss: Double = 1
  ) {
    switch unit {
    case .steps(let steps):
      let step = steps.lowerBound
      let header = GradientHeader(
        step: step, weightsVersion: version,
        totals: steps.map { _ in .init(loss: loss, correct: 1, count: 1) },
        digest: digest ?? Self.digest(step))
      take(rules.gradient(peer, header, now: now), unit, from: peer)
    case .validation(let batch):
      let header = EvaluationHeader(
        batch: batch, weightsVersion: version, loss: loss, correct: 1, count: 1)
      switch rules.evaluated(peer, header, now: now) {
      case .keep(let actions):
        log.append(.keep(peer, unit))
        perform(actions)
      case .drop(let consequence): follow(consequence)
      }
    }
  }

  private mutating func take(_ decision: GradientDecision, _ unit: WorkUnit, from peer: PeerID) {
    switch decision {
    case .keep(let place, let actions):
      keep(unit, from: peer, at: place, update: rules.updatesApplied)
      perform(actions)
    case .completeUpdate(let place, let first, let ahead):
      // The version is the next one's already.
      let update = rules.updatesApplied - 1
      keep(unit, from: peer, at: place, update: update)
      perform(first)
      log.append(.applyUpdate(update, steps: schedule.steps(ofUpdate: update)))
      // It is certain before it is applied: workers drop what they have for the weights of before.
      for follower in rules.followers {
        weights[follower] = rules.weightsVersion
        tasks[follower] = []
      }
      perform(ahead)
      follow(rules.updateApplied(isFinite: staysFinite, now: now))
    case .drop(let consequence): follow(consequence)
    }
  }

  /// The gradient goes into the sum of the update under way.
  private mutating func keep(_ unit: WorkUnit, from peer: PeerID, at place: Int, update: Int) {
    let steps = schedule.steps(ofUpdate: update)
    #expect(steps.contains(unit.step ?? -1) && place == (unit.step ?? 0) - steps.lowerBound)
    log.append(.keep(peer, unit))
  }

  /// Time passes, with the ticks of a process that runs.
  mutating func wait(_ time: Duration) {
    let end = now + time
    while now < end {
      now = min(end, now + .milliseconds(500))
      perform(rules.tick(now: now))
    }
  }

  /// Why a worker was put out, by number.
  func loss(of worker: Int) -> String? {
    for case .lost(let identity, _, let reason) in notes where identity.number == worker {
      return reason
    }
    return nil
  }

  /// Whether the weights were rolled back.
  var wasRolledBack: Bool { log.contains { if case .rollBack = $0 { true } else { false } } }

  private mutating func follow(_ consequence: Consequence) {
    switch consequence {
    case .goOn(let actions): perform(actions)
    case .rollBack(let update, let reason, let actions):
      if let reason { log.append(.action(.note(reason))) }
      log.append(.rollBack(before: update))
      let checkpoint = checkpoints.last { $0 <= update } ?? 0
      let anew = rules.rolledBack(
        to: checkpoint, epochs: schedule.epoch(ofUpdate: checkpoint), now: now)
      perform(actions + anew)
    }
  }

  mutating func perform(_ actions: [CoordinatorAction]) {
    for action in actions {
      log.append(.action(action))
      switch action {
      case .sendWeights(let peer):
        weights[peer] = rules.weightsVersion
        tasks[peer] = []
        catchingUp.removeAll { $0 == peer }
        catchingUp.append(peer)
      case .assign(let peer, let unit): tasks[peer]?.append(unit)
      case .refuse(let peer, _), .close(let peer): tasks[peer] = nil
      case .handOn, .resend, .sendPictures, .finishEpoch, .note, .stop: break
      }
    }
    while holdsAtOnce, let peer = catchingUp.first { hold(peer) }
  }

  /// The right digest of a step's gradient.
  static func digest(_ step: Int) -> Digest {
    withUnsafeBytes(of: step) { Digest(of: $0) }
  }

  /// What decides the weights: units taken in, sorted within their phase, updates and epochs.
  var outcome: [String] {
    var lines: [String] = []
    var units: [WorkUnit] = []
    for deed in log {
      switch deed {
      case .keep(_, let unit): units.append(unit)
      case .applyUpdate, .action(.finishEpoch):
        lines.append("\(units.sorted()) \(deed)")
        units = []
      case .rollBack: (lines, units) = ([], [])
      case .action: break
      }
    }
    return lines
  }

  /// How the run ended, if it has.
  var ending: RunEnding? {
    for case .action(.stop(let ending)) in log { return ending }
    return nil
  }

  /// What was noted.
  var notes: [CoordinatorNote] {
    log.compactMap { if case .action(.note(let note)) = $0 { note } else { nil } }
  }

  /// Lets everybody answer in turn until the run is over or nobody has anything to do.
  mutating func finish() {
    while ending == nil, let peer = tasks.filter({ !$0.value.isEmpty }).keys.min() {
      answer(peer)
    }
  }
}
