import Coordination
import Engine
import Primitives
import Runs
import Training
import Wire

/// A simulated run: the coordinators, one after the other, the workers, and what is on its way
/// between them.
///
/// The hosts, their rules, the engine and the encoding of messages are the real ones; clock, disk,
/// sockets and processes are simulated. One thread; the same scenario gives the same run.
final class World {
  enum Occurrence {
    case tick(coordinator: Int)
    case coordinatorStarts
    case workerStarts(SimulatedWorker, incarnation: Int)
    case workerConnects(SimulatedWorker, incarnation: Int)
    case end(any ConnectionEnd, EndEvent)
    case unlinked(SimulatedConnection, link: Int)
    case readyIsDue(SimulatedConnection)
    case computed(SimulatedWorker, incarnation: Int)
    case goesOn(SimulatedWorker, incarnation: Int)
    case coordinatorGoesOn
    case diskHasSpace
    case synced
    case fault(Scenario.Fault)
  }

  let scenario: Scenario
  let job: SimulatedJob
  let links: SimulatedLinks
  let disk: SimulatedDisk
  let process: ProcessState
  var draws: Draws
  var now = Duration.zero
  /// How far the clocks went on while everything stood still.
  var clockJump = Duration.zero
  var queue = EventQueue<Occurrence>()
  var coordinator: CoordinatorHost?
  /// Who has a place at the present coordinator.
  var admission = Admission(limits: World.limits)
  /// What waits until the coordinator goes on; nil where it does not stand still.
  var waiting: [Occurrence]?
  /// Counts the coordinators' processes.
  var generation = 0
  var workers: [SimulatedWorker] = []
  var connections: [SimulatedConnection] = []
  /// From workers to workers.
  var chainLinks: [SimulatedChainLink] = []
  var ending: RunEnding?
  /// What is wrong; the run stops there.
  var violation: String?
  /// What happened, where that is wanted.
  var log: [String]?

  init(_ scenario: Scenario, _ job: SimulatedJob, logs: Bool) {
    self.scenario = scenario
    self.job = job
    let process = ProcessState()
    self.process = process
    disk = SimulatedDisk(syncsAtOnce: scenario.syncsAtOnce) { process.acts() }
    links = SimulatedLinks()
    draws = Draws(seed: scenario.seed, 2)
    log = logs ? [] : nil
    links.world = self
  }

  func note(_ text: @autoclosure () -> String) {
    guard log != nil else { return }
    log?.append("\(now): \(text())")
  }

  func schedule(_ occurrence: Occurrence, in delay: Duration) {
    queue.add(occurrence, at: now + delay)
  }

  /// The time by everybody's clock.
  var clock: Duration { now + clockJump }

  /// A moment up to `most`.
  func moment(_ most: Duration) -> Duration { most * draws.double() }

  // MARK: Workers

  func startWorker(_ worker: SimulatedWorker) {
    worker.incarnation += 1
    let host = WorkerHost(
      pictures: .shared(training: job.training, validation: job.validation), threads: 1,
      kernels: job.kernels, name: "worker\(worker.number):\(worker.incarnation)",
      process: UInt64(worker.number << 32 + worker.incarnation), sendsInBackground: false,
      clock: { [unowned self] in clock })
    host.damage = { [unowned self, unowned worker] gradient in
      guard worker.miscomputes || worker.losesNumber else { return }
      // A zero's low bits might be lost in the weights.
      let places = gradient.buffer.indices.filter { gradient.buffer[$0] != 0 }
      guard !places.isEmpty else { return }
      let place = places[draws.int(0...places.count - 1)]
      // No two machines make the same error: two that do outvote a third.
      let bit = 10 + worker.number % 4 + 4 * draws.int(0...2)
      let bits = gradient.floats[place].bitPattern ^ 1 << UInt32(bit)
      gradient.floats[place] = worker.losesNumber ? .nan : Float(bitPattern: bits)
      (worker.miscomputes, worker.losesNumber) = (false, false)
    }
    host.damageToWeights = { [unowned self, unowned worker] weights in
      guard worker.strays else { return }
      worker.strays = false
      let places = weights.layout.tensors.flatMap { $0.offset..<$0.offset + $0.count }
      let place = places[draws.int(0...places.count - 1)]
      let bits = weights.floats[place].bitPattern ^ 1 << UInt32(draws.int(0...31))
      weights.floats[place] = Float(bitPattern: bits)
    }
    worker.host = host
    worker.inbox = []
    (worker.isComputing, worker.isHanging, worker.isComputed) = (false, false, false)
    note("worker \(worker.number) starts")
    connect(worker)
  }

  func connect(_ worker: SimulatedWorker) {
    guard let host = worker.host, worker.connection == nil, ending == nil else { return }
    guard canConnect, !worker.isHanging else {
      return schedule(
        .workerConnects(worker, incarnation: worker.incarnation),
        in: .milliseconds(100 + draws.int(0...900)))
    }
    let connection = SimulatedConnection(self, worker: worker)
    worker.connection = connection
    worker.inbox = []
    note("worker \(worker.number) connects: \(connection.peer)")
    open(connection)
    host.begin(SimulatedLink(self, connection))
  }

  /// The worker does what it can until it computes or waits.
  func pump(_ worker: SimulatedWorker) {
    while let host = worker.host, let connection = worker.connection, !worker.isComputing,
      !worker.isHanging
    {
      guard !worker.inbox.isEmpty else {
        guard host.hasWork else { return }
        worker.isComputing = true
        let time = scenario.stepTime * (worker.slowness * (0.5 + draws.double()))
        return schedule(.computed(worker, incarnation: worker.incarnation), in: time)
      }
      let input = worker.inbox.removeFirst()
      if let ending = host.step(input, SimulatedLink(self, connection)) {
        return ended(worker, ending)
      }
    }
  }

  func computed(_ worker: SimulatedWorker) {
    guard !worker.isHanging else {
      worker.isComputed = true
      return
    }
    worker.isComputing = false
    // The connection may have gone in the meantime; then the inbox says so.
    guard let host = worker.host, let connection = worker.connection else { return }
    if let ending = host.step(nil, SimulatedLink(self, connection)) { return ended(worker, ending) }
    pump(worker)
  }

  private func ended(_ worker: SimulatedWorker, _ ending: WorkerEnding) {
    note("worker \(worker.number) ends with its coordinator: \(ending)")
    worker.connection = nil
    switch ending {
    case .disconnected:
      schedule(
        .workerConnects(worker, incarnation: worker.incarnation),
        in: .milliseconds(50 + draws.int(0...900)))
    case .finished, .refused, .interrupted, .cutShort:
      exit(worker)
    }
  }

  /// All ends of connections that the worker's process has.
  func ends(of worker: SimulatedWorker) -> [any ConnectionEnd] {
    connections.filter { $0.worker === worker }.map(\.atWorker)
      + chainLinks.filter { $0.from.worker === worker }.map(\.atSender)
      + chainLinks.filter { $0.to.worker === worker }.map(\.atReceiver)
  }

  /// The worker's process has ended; a supervisor starts it again.
  func exit(_ worker: SimulatedWorker) {
    worker.host = nil
    worker.inbox = []
    let delay = Duration.milliseconds(100 + draws.int(0...2000))
    schedule(.workerStarts(worker, incarnation: worker.incarnation), in: delay)
  }

  // MARK: Coordinators

  /// Starts a coordinator at the run's start, or where the disk says.
  func startCoordinator() {
    generation += 1
    admission = Admission(limits: Self.limits)
    process.start()
    let checkpoint = disk.checkpoint()
    let epochs = disk.history.records.map(\.epoch)
    let done = checkpoint?.position?.epochs ?? 0
    guard epochs == Array(0..<epochs.count).map({ $0 + 1 }), epochs.count >= done else {
      violation = "the history has the epochs \(epochs), the checkpoint follows epoch \(done)"
      return
    }
    guard disk.restoreBest() else {
      violation = "the best model that the checkpoint names is not there"
      return
    }
    note("coordinator \(generation) starts after \(checkpoint?.position?.updates ?? 0) updates")
    var options = CoordinatorHost.Options(kernels: job.kernels)
    options.minimumWorkers = scenario.minimumWorkers
    options.checkpointEvery = scenario.checkpointEvery.map(CheckpointInterval.updates)
    options.writesInBackground = false
    options.verify = scenario.verify
    options.weights = scenario.weights
    options.chain = scenario.chain
    options.partFloats = Self.limits.partFloats
    let mailbox = Mailbox<CoordinatorInput>()
    let host: CoordinatorHost
    do throws(ThreadError) {
      host = try CoordinatorHost(
        job.job, options: options, store: disk, mailbox: mailbox, links: links,
        checkpoint: checkpoint, clock: { [unowned self] in clock },
        report: { [unowned self] report in
          if case .note(let text) = report { heard(text) }
        })
    } catch {
      violation = "\(error)"
      return
    }
    coordinator = host
    host.begin()
    settle()
    schedule(.tick(coordinator: generation), in: CoordinatorHost.tick)
  }

  /// What a coordinator says of a run may be wrong too.
  private func heard(_ text: CoordinatorNote) {
    note("coordinator: \(text)")
    switch text {
    case .rolledBack where !scenario.hasErrors: violation = "it rolls back, and nobody erred"
    case .lost(let identity, _, let reason)
    where reason.contains("has not answered") || reason.contains("has not taken"):
      let isMute = connections.contains { $0.isMute && $0.address == identity.address }
      if !isMute { violation = "\(identity) is given up, and was only slow" }
    default: break
    }
  }

  /// Gives the coordinator something to do, and looks at what became of it.
  func step(_ input: CoordinatorInput?) {
    guard let coordinator, !process.isDead else { return }
    coordinator.step(input)
    // Of parts the rules hear nothing: what time has changed they look at with the next event.
    if case .message(_, .part) = input { return settle(looksAtRules: false) }
    settle()
  }

  private func settle(looksAtRules: Bool = true) {
    guard let coordinator else { return }
    if process.isDead { return crash() }
    if looksAtRules, let wrong = coordinator.inconsistency { violation = wrong }
    let buffers = coordinator.gradientBuffers
    // Those of the update, and of each worker's present unit.
    let steps = job.job.schedule.batchesPerUpdate
    if buffers > steps + workers.count * min(steps, Updater.gradientsAtOnce) + 1 {
      violation = "\(buffers) gradients kept"
    }
    if disk.isWriting { schedule(.synced, in: moment(.milliseconds(200))) }
    guard let ending = coordinator.ending else { return }
    note("coordinator \(generation) ends: \(ending)")
    disk.sync()
    switch ending {
    case .finished: self.ending = ending
    case .interrupted, .cutShort: leaveCoordinator { $0.close() }
    case .failed(let reason): violation = "the run failed: \(reason)"
    }
  }

  /// The coordinator's process is gone at once, with all that it had not yet done.
  private func crash() {
    note("coordinator \(generation) is killed")
    disk.crash()
    leaveCoordinator { $0.die("connection reset") }
  }

  /// The coordinator is gone; `leave` says what becomes of its ends.
  private func leaveCoordinator(_ leave: (SimulatedEnd<WorkerMessage>) -> Void) {
    coordinator = nil
    process.end()
    for connection in connections where connection.coordinator == generation {
      leave(connection.atCoordinator)
    }
    schedule(.coordinatorStarts, in: .milliseconds(100 + draws.int(0...3000)))
  }
}
