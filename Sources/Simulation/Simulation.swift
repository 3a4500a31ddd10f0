import Engine
import Primitives
import Runs
import Training

/// Runs scenarios, and holds each against the undisturbed run.
public enum Simulation {
  /// What became of a scenario.
  public struct Outcome: Sendable {
    /// What was run.
    public let scenario: Scenario
    /// What is wrong; nil where all is well.
    public let violation: String?
    /// What happened, a line each, where that was asked for.
    public let log: [String]
    /// Events of the simulated world.
    public let events: Int
  }

  /// Runs a scenario.
  /// - Parameters:
  ///   - jobs: `SimulatedJob.all`.
  ///   - logs: whether to write down what happens.
  public static func run(_ scenario: Scenario, _ jobs: [SimulatedJob], logs: Bool = false)
    -> Outcome
  {
    let world = World(scenario, jobs[scenario.job], logs: logs)
    // A worker and its connection hold each other: neither would ever be freed.
    defer {
      for worker in world.workers { worker.connection = nil }
      for connection in world.connections { connection.successor = nil }
    }
    let events = world.run()
    return Outcome(
      scenario: scenario, violation: world.violation ?? world.difference(), log: world.log ?? [],
      events: events)
  }

  /// The same failure with as few faults as can be found: each is left out that is not needed.
  public static func shortest(_ scenario: Scenario, _ jobs: [SimulatedJob]) -> Outcome {
    var best = scenario
    var index = 0
    while index < best.faults.count {
      var less = best
      less.faults.remove(at: index)
      if run(less, jobs).violation == nil { index += 1 } else { best = less }
    }
    return run(best, jobs, logs: true)
  }
}

extension World {
  /// After so much simulated time, or so many events, a run is taken to be without end.
  private static let longest = Duration.seconds(3600)
  private static let mostEvents = 1_000_000

  /// Runs to the end, or to what is wrong.
  /// - Returns: how many events there were.
  func run() -> Int {
    for number in 0..<scenario.workers {
      let worker = SimulatedWorker(number)
      workers.append(worker)
      schedule(.workerStarts(worker, incarnation: 0), in: moment(.seconds(1)))
    }
    schedule(.coordinatorStarts, in: moment(.milliseconds(500)))
    for (time, fault) in scenario.faults { queue.add(.fault(fault), at: time) }
    var events = 0
    while ending == nil, violation == nil {
      guard let (time, occurrence) = queue.next() else {
        violation = "nothing happens any more"
        break
      }
      now = time
      events += 1
      if now > Self.longest || events > Self.mostEvents {
        violation = "it does not end: \(events) events in \(now)"
        break
      }
      happen(occurrence)
    }
    return events
  }

  /// What is not as in the undisturbed run.
  func difference() -> String? {
    guard let model = disk.model else { return "it finished without a model" }
    if model.state.digest != job.digest {
      return "the weights are \(model.state.digest), undisturbed \(job.digest)"
    }
    guard model.state.updates == job.job.schedule.updates else {
      return "\(model.state.updates) updates, undisturbed \(job.job.schedule.updates)"
    }
    guard let best = disk.best, best.best == job.best, best.state.digest == job.best?.digest else {
      return "the best epoch is \(String(describing: disk.best?.best)), undisturbed "
        + "\(String(describing: job.best))"
    }
    let rows = disk.history.records.map { Row($0) }
    let expected = job.history.map { Row($0) }
    return rows == expected ? nil : "the history is \(rows), undisturbed \(expected)"
  }

  /// What of an epoch's record does not depend on time.
  private struct Row: Equatable {
    let epoch: Int
    let values: [Double]

    init(_ record: EpochRecord) {
      epoch = record.epoch
      values = [
        record.loss, record.accuracy, record.validationLoss, record.validationAccuracy,
        record.learningRate ?? 0,
      ]
    }
  }

  func happen(_ occurrence: Occurrence) {
    switch occurrence {
    case .tick(let number):
      guard number == generation, coordinator != nil, !waitsForCoordinator(occurrence) else {
        return
      }
      step(nil)
      schedule(.tick(coordinator: number), in: CoordinatorHost.tick)
    case .coordinatorStarts: if coordinator == nil { startCoordinator() }
    case .workerStarts(let worker, let incarnation):
      if worker.incarnation == incarnation, worker.host == nil { startWorker(worker) }
    case .workerConnects(let worker, let incarnation):
      if worker.incarnation == incarnation { connect(worker) }
    case .coordinatorGoesOn: coordinatorGoesOn()
    case .end(let end, let event): end.happen(event)
    case .unlinked(let connection, let link):
      relay(connection) { $0.failed(link: link, reason: "nobody can connect to it") }
    case .readyIsDue(let connection): readyIsDue(connection)
    case .computed(let worker, let incarnation):
      if worker.incarnation == incarnation, worker.isComputing { computed(worker) }
    case .goesOn(let worker, let incarnation):
      guard worker.incarnation == incarnation, worker.isHanging else { return }
      worker.isHanging = false
      note("worker \(worker.number) goes on")
      for end in ends(of: worker) { end.goOn() }
      if worker.isComputed {
        worker.isComputed = false
        computed(worker)
      }
      pump(worker)
    case .diskHasSpace: disk.isFull = false
    case .synced: disk.sync()
    case .fault(let fault):
      note("\(fault)")
      happen(fault)
    }
  }

  private func happen(_ fault: Scenario.Fault) {
    switch fault {
    case .killWorker(let number):
      let worker = workers[number]
      guard worker.host != nil else { return }
      for end in ends(of: worker) { end.die(nil) }
      worker.connection = nil
      worker.incarnation += 1
      exit(worker)
    case .hangWorker(let number, let duration):
      let worker = workers[number]
      guard worker.host != nil else { return }
      worker.isHanging = true
      schedule(.goesOn(worker, incarnation: worker.incarnation), in: duration)
      for end in ends(of: worker) { end.stop() }
    case .slowWorker(let number, let factor): workers[number].slowness = factor
    case .miscompute(let number): workers[number].miscomputes = true
    case .loseNumber(let number): workers[number].losesNumber = true
    case .stray(let number): workers[number].strays = true
    case .lie(let number): workers[number].lies = true
    case .mute(let number): workers[number].connection?.isMute = true
    case .intrude(let intrusion): intrude(intrusion)
    case .leave(let number):
      guard workers[number].connection != nil else { return }
      workers[number].inbox.append(.interrupted)
      pump(workers[number])
    case .join:
      let worker = SimulatedWorker(workers.count)
      workers.append(worker)
      startWorker(worker)
    case .cut(let number): workers[number].connection.map(cut)
    case .silence(let number): workers[number].connection?.silence()
    case .damage(let number, let toCoordinator, let damage):
      guard let connection = workers[number].connection else { return }
      connection.disturb()
      (toCoordinator ? connection.toCoordinator : connection.toWorker).damage = damage
    case .breakLink(let number, let fault):
      guard let link = workers[number].connection?.successor else { return }
      switch fault {
      case .cut: cut(link)
      case .silence: link.silence()
      case .damage(let damage):
        link.disturb()
        link.path.damage = damage
      }
    case .killCoordinator(let acts): process.kill(after: acts)
    case .interruptCoordinator:
      if !waitsForCoordinator(.fault(fault)) { step(.interrupted) }
    case .hangCoordinator(let duration): hangCoordinator(for: duration)
    case .clockJump(let duration): clockJump += duration
    case .diskFull(let duration):
      disk.isFull = true
      schedule(.diskHasSpace, in: duration)
    }
  }
}
