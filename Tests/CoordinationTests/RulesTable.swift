import Coordination
import Primitives
import Wire

/// A coordinator's rules with peers that a test moves by hand; actions are collected as they come.
struct RulesTable {
  var rules: CoordinatorRules
  var now = Duration.zero
  /// Everything since the start, in order.
  var log: [CoordinatorAction] = []
  /// What each peer has been asked and has not answered.
  var tasks: [PeerID: [WorkUnit]] = [:]
  /// The version of the weights that each peer holds.
  var weights: [PeerID: Int] = [:]
  /// The number that each peer was given.
  var numbers: [PeerID: Int] = [:]
  private var peers = 0

  init(
    epochs: Int = 1, steps: Int = 4, perUpdate: Int = 2, validation: Int = 2, minimum: Int = 1,
    local: [UInt64] = [], probe: ProbeAnswer = .none, verify: Double = 0,
    heartbeatBound: Duration = .seconds(3), updates: Int = 0
  ) {
    rules = CoordinatorRules(
      schedule: Schedule(
        epochs: epochs, stepsPerEpoch: steps, batchesPerUpdate: perUpdate,
        validationBatches: validation),
      version: "1", minimumWorkers: minimum, localWorkers: local, probe: probe,
      verify: verify, heartbeatBound: heartbeatBound, updates: updates)
    perform(rules.start(now: now))
  }

  /// A worker that says hello, and ready unless told otherwise.
  @discardableResult
  mutating func join(
    token: UInt64? = nil, version: String = "1", ready: Bool = true, probe: ProbeAnswer = .none
  ) -> PeerID {
    let peer = PeerID(raw: peers)
    peers += 1
    tasks[peer] = []
    perform(rules.opened(peer, address: "host:\(peer.raw)", now: now))
    let hello = Hello(
      version: version, name: "w\(peer.raw)", token: token ?? UInt64(1000 + peer.raw), threads: 1,
      kernels: "baseline")
    perform(rules.hello(peer, hello, now: now))
    if ready { perform(rules.ready(peer, probe, now: now)) }
    return peer
  }

  mutating func lose(_ peer: PeerID) {
    tasks[peer] = nil
    perform(rules.lost(peer, reason: "gone", now: now))
  }

  /// A process that the program launched ends.
  mutating func exit(_ index: Int) {
    perform(rules.localWorkerExited(index, reason: "killed", now: now))
  }

  /// The peer answers the oldest unit that it has; a `digest` or a `loss` other than the right one
  /// is a fault.
  mutating func answer(_ peer: PeerID, digest: Digest? = nil, loss: Double = 1) {
    guard let unit = tasks[peer]?.first else { return }
    tasks[peer]?.removeFirst()
    send(peer, unit, version: weights[peer] ?? 0, digest: digest, loss: loss)
  }

  /// The peer sends an answer whether it was asked or not.
  mutating func send(
    _ peer: PeerID, _ unit: WorkUnit, version: Int, digest: Digest? = nil, loss: Double = 1
  ) {
    switch unit {
    case .step(let step):
      let header = GradientHeader(
        step: step, weightsVersion: version, loss: loss, correct: 1, count: 1,
        digest: digest ?? Self.digest(step))
      perform(rules.gradient(peer, header, now: now))
    case .validation(let batch):
      let header = EvaluationHeader(
        batch: batch, weightsVersion: version, loss: loss, correct: 1, count: 1)
      perform(rules.evaluated(peer, header, now: now))
    }
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

  /// Whether the weights were taken back.
  var wentBack: Bool { log.contains { if case .goBack = $0 { true } else { false } } }

  mutating func perform(_ actions: [CoordinatorAction]) {
    var actions = actions[...]
    while let action = actions.popFirst() {
      log.append(action)
      switch action {
      case .sendWeights(let peer):
        weights[peer] = rules.weightsVersion
        tasks[peer] = []
      case .assign(let peer, let unit): tasks[peer]?.append(unit)
      case .refuse(let peer, _), .close(let peer): tasks[peer] = nil
      case .welcome(let peer, let worker): numbers[peer] = worker
      case .accept(let peer, let unit): actions += rules.accepted(peer, unit, now: now)
      case .applyUpdate: actions += rules.updateApplied(now: now)
      case .goBack:
        // As where there is no checkpoint.
        actions += rules.wentBack(toUpdate: 0, epochs: 0, now: now)
      default: break
      }
    }
  }

  /// The right digest of a step's gradient.
  static func digest(_ step: Int) -> Digest {
    withUnsafeBytes(of: step) { Digest(of: $0) }
  }

  /// What decides the weights: units taken in, sorted within their phase, updates and epochs.
  var outcome: [String] {
    var lines: [String] = []
    var units: [WorkUnit] = []
    for action in log {
      switch action {
      case .accept(_, let unit): units.append(unit)
      case .applyUpdate, .finishEpoch:
        lines.append("\(units.sorted()) \(action)")
        units = []
      case .goBack: (lines, units) = ([], [])
      default: break
      }
    }
    return lines
  }

  /// How the run ended, if it has.
  var ending: RunEnding? {
    for case .stop(let ending) in log { return ending }
    return nil
  }

  /// What was noted.
  var notes: [CoordinatorNote] {
    log.compactMap { if case .note(let note) = $0 { note } else { nil } }
  }

  /// Lets everybody answer in turn until the run is over or nobody has anything to do.
  mutating func finish() {
    while ending == nil, let peer = tasks.filter({ !$0.value.isEmpty }).keys.min() {
      answer(peer)
    }
  }
}
