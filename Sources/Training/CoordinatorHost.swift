// The thread that turns what the transport brings into events for the coordinator's rules, and does
// what they decide. What is learnt is the learner's, what is written the recorder's.

import Coordination
import Engine
import Foundation
import KerasFiles
import Pictures
import Primitives
import Runs
import Wire

/// A coordinator: tells the rules what the transport brings, and has the learner and the recorder
/// do what they decide.
///
/// Not thread-safe: `run` blocks the thread that calls it; all else comes by the mailbox.
public final class CoordinatorHost {
  private let job: TrainingJob
  private let options: Options
  private let mailbox: Mailbox<CoordinatorInput>
  private let links: any WorkerLinks
  private let clock: () -> Duration
  private var learner: Learner
  private let recorder: Recorder
  private var rules: CoordinatorRules
  private var lastTick = Duration.zero
  private var broadcaster: Broadcaster
  /// Nil where nobody is sent pictures.
  private let pictures: PictureServer?
  /// What has come of the gradients that workers are sending.
  private var incoming: [PeerID: IncomingGradient] = [:]
  /// How the run ended, once it has.
  public private(set) var ending: RunEnding?

  /// A coordinator at the start of a run, or at its checkpoint.
  ///
  /// - Parameters:
  ///   - store: the run folder, made by the caller.
  ///   - checkpoint: goes on from there; its buffers are the coordinator's from now on.
  ///   - clock: the time since some moment; it never goes back.
  ///   - report: called on the coordinator's thread.
  /// - Throws: where the threads cannot be had.
  public init(
    _ job: TrainingJob, options: Options, store: any RunStore,
    mailbox: Mailbox<CoordinatorInput>, links: any WorkerLinks, checkpoint: ModelFile? = nil,
    clock: (() -> Duration)? = nil, report: @escaping (TrainingReport) -> Void
  ) throws(ThreadError) {
    self.job = job
    self.options = options
    self.mailbox = mailbox
    self.links = links
    let began = ContinuousClock.now
    self.clock = clock ?? { .now - began }
    let position = checkpoint?.position ?? RunPosition()
    learner = try Learner(
      job, from: checkpoint?.state, threads: options.threads, kernels: options.kernels)
    broadcaster = Broadcaster(job, options, links)
    pictures =
      if let folder = options.pictures {
        try PictureServer(PictureFiles(folder: folder, manifest: job.manifest), links)
      } else {
        nil
      }
    recorder = try Recorder(
      job, options, store: store, mailbox: mailbox, position: position, clock: self.clock,
      report: report)
    rules = CoordinatorRules(
      schedule: job.schedule, version: dogsledVersion, minimumWorkers: options.minimumWorkers,
      localWorkers: options.localWorkers, probe: options.probe?.answer ?? .none,
      verify: options.verify, seed: job.hyperparameters.seed,
      heartbeatBound: options.heartbeatBound, updates: position.updates, epochs: position.epochs)
  }

  /// The digest of the present weights.
  public var digest: Digest { learner.digest }

  /// Trains until the end, a signal, or a failure that the run cannot go on from.
  public func run() -> RunEnding {
    begin()
    while true {
      if let ending { return ending }
      let began = now
      let input = mailbox.next(timeout: Self.tick)
      recorder.addWait(now - began)
      step(input)
    }
  }

  /// How often the rules are told that time passes.
  package static let tick = Duration.milliseconds(20)

  /// Begins the run; then `step` until it has its `ending`.
  package func begin() {
    recorder.begin(isResumed: learner.state.updates > 0)
    // The checkpoint may be that of an epoch after which the run was to end.
    perform(recorder.isOver ? rules.enough() : rules.start(now: now))
  }

  /// Does what follows from `input`, and from the passing of time.
  package func step(_ input: CoordinatorInput?) {
    if let input { handle(input) }
    guard now - lastTick >= Self.tick else { return }
    lastTick = now
    perform(rules.tick(now: now))
    recorder.noteLeftOut()
  }

  /// What the rules contradict themselves in; nil where all is well.
  package var inconsistency: String? { rules.inconsistency(now: now) }

  /// Gradients that there is memory for.
  package var gradientBuffers: Int { learner.gradientBuffers }

  /// The time by the coordinator's clock.
  private var now: Duration { clock() }

  // MARK: Events

  private func handle(_ input: CoordinatorInput) {
    switch input {
    case .opened(let peer, let address):
      perform(rules.opened(peer, address: address, now: now))
    case .closed(let peer, let reason):
      incoming[peer] = nil
      broadcaster.leaves(peer)
      perform(rules.lost(peer, reason: reason, now: now))
    case .localWorkerExited(let index, let reason):
      perform(rules.localWorkerExited(index, reason: reason, now: now))
    case .checkpointFailed(let reason): recorder.note(.failure(worker: nil, reason: reason))
    case .interrupted: perform(rules.interrupted(now: now))
    case .message(let peer, let message): handle(message, from: peer)
    }
  }

  private func handle(_ message: WorkerMessage, from peer: PeerID) {
    switch message {
    case .hello(let hello):
      switch rules.hello(peer, hello, now: now) {
      case .welcome(let worker): links.send(.welcome(welcome(worker)), to: [peer])
      case .turnAway(let actions): perform(actions)
      }
    case .ready(let answer): perform(rules.ready(peer, answer, now: now))
    case .unable(let reason): perform(rules.unable(peer, reason: reason, now: now))
    case .holds(let held):
      let isRight = held.digest == broadcaster.digest(learner.state, rules.weightsVersion)
      let rate = links.place(of: peer)?.bytesPerSecond
      perform(rules.holds(peer, held.version, isRight: isRight, rate: rate, now: now))
    case .part(let part): take(part, from: peer)
    case .gradient(let header, let gradient): take(header, gradient, from: peer)
    case .evaluated(let header): take(header, from: peer)
    case .listens(let listening):
      if broadcaster.listens(peer, listening) { perform(rules.listens(peer)) }
    case .link(let report): perform(rules.linked(peer, report, now: now))
    case .wants(let wanted):
      perform(rules.wants(peer, wanted.pictures, of: pictures?.count ?? 0, now: now))
    case .leaving: perform(rules.dismiss(peer, reason: "it left the run", now: now))
    case .heartbeat: break
    }
  }

  /// A part of a gradient came: it is kept until all of it is there; where no other worker has to
  /// agree, all workers are sent what follows from it at once.
  private func take(_ part: Part, from peer: PeerID) {
    guard case .gradient(let step) = part.content else {
      return perform(rules.dismiss(peer, reason: "sent numbers that are no gradient's", now: now))
    }
    if rules.ignores(peer) { return }
    // Decoding is work that no peer may cause unasked.
    guard let unit = rules.unit(of: peer, step: step, part.version),
      rules.isAsked(peer, for: unit, part.version)
    else { return follow(rules.unasked(peer, .step(step), now: now)) }
    guard rules.wants(peer, unit, part.version) else {
      incoming[peer] = nil
      return
    }
    // Taken out, so that it is not copied where it changes.
    var gradient = incoming.removeValue(forKey: peer)
    if gradient?.version != part.version || gradient.map({ .steps($0.steps) }) != unit {
      gradient = nil
    }
    guard var present = gradient ?? incomingGradient(unit, part.version) else { return }
    gradient = nil
    do throws(AnswerFault) {
      try present.take(part, of: step, broadcaster.parts)
    } catch {
      return follow(rules.unusable(peer, unit, part.version, error, now: now))
    }
    incoming[peer] = present
    if !rules.isVerified(unit) { forward(part.index, of: step, present, from: peer) }
  }

  /// Memory for a unit's gradients; nil for one that has none.
  private func incomingGradient(
    _ unit: WorkUnit, _ version: WeightsVersion
  ) -> IncomingGradient? {
    guard case .steps(let steps) = unit else { return nil }
    var gradients: [StepGradient] = []
    for step in steps {
      guard let pictures = job.plan.pictures(of: .step(step)) else { return nil }
      gradients.append(StepGradient(learner.gradientBuffer(), pictures: pictures))
    }
    return IncomingGradient(
      first: steps.lowerBound, version: version, gradients: gradients, parts: broadcaster.parts)
  }

  /// Sends the followers what follows from a part of a gradient of the update under way.
  private func forward(
    _ index: Int, of step: Int, _ incoming: IncomingGradient, from peer: PeerID
  ) {
    broadcaster.take(
      index, of: step, incoming, from: rules.handsOn(peer) ? nil : peer,
      steps: job.schedule.steps(ofUpdate: learner.state.updates), using: learner.updater,
      followers: rules.directFollowers)
  }

  private func take(
    _ header: GradientHeader, _ local: ParameterBuffer?, from peer: PeerID
  ) {
    let unit = WorkUnit(header)
    let received = incoming.removeValue(forKey: peer)
    if rules.ignores(peer) { return }
    guard rules.isAsked(peer, for: unit, header.weightsVersion) else {
      return follow(rules.unasked(peer, unit, now: now))
    }
    let totals: [Engine.Totals]
    var gradients: [StepGradient]?
    do throws(AnswerFault) {
      totals = try job.plan.totals(of: header)
      if let local {
        gradients = totals.map { StepGradient(local, pictures: $0.count) }
      } else if rules.wants(peer, unit, header.weightsVersion) {
        gradients = try check(received, header)
      }
    } catch {
      return follow(rules.unusable(peer, unit, header.weightsVersion, error, now: now))
    }
    if let received, gradients != nil, broadcaster.contradicts(received) {
      return follow(rules.contradicts(peer, unit, header.weightsVersion, now: now))
    }
    let decision = rules.gradient(peer, header, now: now)
    switch decision {
    case .keep(let place, let actions):
      keep(gradients, received, from: peer, totals, waited: header.waited, at: place)
      perform(actions)
    case .completeUpdate(let place, let first, let ahead):
      keep(gradients, received, from: peer, totals, waited: header.waited, at: place)
      perform(first)
      applyUpdate(while: ahead)
    case .drop(let consequence): follow(consequence)
    }
  }

  /// Gradients whose parts have come, and whose totals did now.
  private func check(
    _ received: IncomingGradient?, _ header: GradientHeader
  ) throws(AnswerFault) -> [StepGradient] {
    let unit = WorkUnit(header)
    guard let received, .steps(received.steps) == unit, received.version == header.weightsVersion
    else { throw .damaged("the numbers of its gradient of \(unit) did not come") }
    try received.check(header, broadcaster.parts)
    return received.gradients
  }

  private func take(_ header: EvaluationHeader, from peer: PeerID) {
    if rules.ignores(peer) { return }
    let unit = WorkUnit.validation(header.batch)
    let totals: Engine.Totals
    do throws(AnswerFault) {
      totals = try job.plan.totals(
        of: unit, loss: header.loss, correct: header.correct, amongFive: header.amongFive,
        count: header.count)
    } catch {
      return follow(rules.unusable(peer, unit, header.weightsVersion, error, now: now))
    }
    switch rules.evaluated(peer, header, now: now) {
    case .keep(let actions):
      recorder.add(totals, batch: header.batch)
      recorder.tellProgress(workers: rules.readyWorkers)
      perform(actions)
    case .drop(let consequence): follow(consequence)
    }
  }

  // MARK: Weights

  private func keep(
    _ gradients: [StepGradient]?, _ received: IncomingGradient?, from peer: PeerID,
    _ totals: [Engine.Totals], waited: Double, at place: Int
  ) {
    guard let gradients else { return }
    if let received {
      for step in received.steps {
        for part in broadcaster.parts { forward(part.index, of: step, received, from: peer) }
      }
    }
    let count = job.schedule.steps(ofUpdate: learner.state.updates).count
    learner.take(gradients, at: place, of: count)
    if options.bodies == .encoded { recorder.addWait(ofWorker: .limited(seconds: waited)) }
    for (index, totals) in totals.enumerated() {
      recorder.add(totals, at: place + index, of: count)
    }
    recorder.tellProgress(workers: rules.readyWorkers)
  }

  /// - Parameter ahead: gives workers what follows, so that they need not wait for this process.
  private func applyUpdate(while ahead: [CoordinatorAction]) {
    let steps = job.schedule.steps(ofUpdate: learner.state.updates)
    let rate = recorder.rate(ofUpdate: learner.state.updates)
    broadcaster.complete(
      firstStep: steps.lowerBound, pictures: steps.compactMap { job.plan.pictures(of: .step($0)) },
      rate: rate, followers: rules.followers)
    perform(ahead)
    let penalty = learner.state.weights.penalty(inUpdate: learner.state.updates)
    let isFinite = learner.applyUpdate(rate: rate)
    if isFinite { recorder.updateApplied(penalty: penalty) }
    let consequence = rules.updateApplied(isFinite: isFinite, now: now)
    if isFinite {
      broadcaster.updated(learner.state, rules.weightsVersion, followers: rules.followers)
      recorder.writeCheckpointIfDue(learner.state)
    }
    follow(consequence)
  }

  private func follow(_ consequence: Consequence) {
    switch consequence {
    case .goOn(let actions): perform(actions)
    case .rollBack(let update, let reason, let actions):
      if let reason { recorder.note(reason) }
      let anew = rollBack(before: update)
      perform(actions + anew)
    }
  }

  /// Makes the weights those of the newest checkpoint that is not after `update`, or of the start.
  ///
  /// Where they hold no more than `update` updates, only the update under way is forgotten.
  ///
  /// - Returns: what follows from the earlier weights, or from there being none.
  private func rollBack(before update: Int) -> [CoordinatorAction] {
    learner.forgetGradients()
    broadcaster.forget()
    incoming = [:]
    recorder.forgetUpdate()
    if update < learner.state.updates {
      do throws(RollbackFailure) {
        let checkpoint = try recorder.rollBack(before: update, links)
        learner.rollBack(to: checkpoint?.state)
      } catch {
        return rules.failed(error.ending)
      }
    }
    let updates = learner.state.updates
    recorder.note(.rolledBack(updates: updates))
    return rules.rolledBack(to: updates, epochs: recorder.totals.epoch, now: now)
  }

  /// The version of the weights here: while an update that is certain is still to be made, the one
  /// before that of the rules.
  private var stateVersion: WeightsVersion {
    WeightsVersion(rollback: rules.weightsVersion.rollback, update: learner.state.updates)
  }

  // MARK: Actions

  private func perform(_ actions: [CoordinatorAction]) {
    for action in actions where ending == nil { perform(action) }
  }

  private func perform(_ action: CoordinatorAction) {
    switch action {
    case .refuse(let peer, let reason):
      incoming[peer] = nil
      links.send(.refuse(reason: reason), to: [peer])
      links.close(peer)
    case .close(let peer):
      incoming[peer] = nil
      links.close(peer)
    case .sendWeights(let peer):
      broadcaster.join(peer, learner.state, stateVersion)
    case .handOn(let peer, let next, let link): broadcaster.handOn(from: peer, to: next, link: link)
    case .resend(let peer, let version): broadcaster.resend(to: peer, since: version)
    case .sendPictures(let peer, let wanted): pictures?.send(wanted, to: peer)
    case .assign(let peer, let unit):
      recorder.beginEpoch(links)
      links.send(.work(assigned(unit)), to: [peer])
    case .finishEpoch(let epoch):
      finishEpoch(epoch)
    case .note(let note): recorder.note(note)
    case .stop(let ending): self.ending = end(ending)
    }
  }

  private func finishEpoch(_ epoch: Int) {
    let failure = recorder.finishEpoch(
      epoch, learner.state, links, workers: options.bodies == .local ? 0 : rules.readyWorkers)
    if let failure {
      perform(rules.failed(failure))
    } else if recorder.isOver {
      perform(rules.enough())
    }
  }

  private func welcome(_ worker: Int) -> Welcome {
    Welcome(
      worker: worker, model: KerasConfiguration.encode(job.architecture),
      floats: job.architecture.parameters.bufferCount, partFloats: options.partFloats,
      optimizer: job.hyperparameters.optimizer,
      labelSmoothing: job.hyperparameters.labelSmoothing, classWeights: job.classWeights,
      batchSize: job.hyperparameters.batchSize,
      batchesPerUpdate: job.schedule.batchesPerUpdate,
      pictures: job.hyperparameters.pictures.description,
      augmentation: job.hyperparameters.augmentation.description,
      seed: job.hyperparameters.seed, manifest: manifestJSON,
      probe: options.probe?.jpegs ?? [])
  }

  /// The manifest as every worker is sent it.
  private lazy var manifestJSON: String = {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    // A manifest is strings and numbers: encoding it cannot fail.
    return (try? encoder.encode(job.manifest)).map { String(decoding: $0, as: UTF8.self) } ?? ""
  }()

  private func assigned(_ unit: WorkUnit) -> AssignedWork {
    let work: Work =
      switch unit {
      case .steps(let steps):
        .gradient(step: steps.lowerBound, pictures: steps.map { job.plan.training(step: $0) })
      case .validation(let batch):
        .validation(batch: batch, pictures: job.plan.validation(batch: batch))
      }
    return AssignedWork(work, weightsVersion: rules.weightsVersion)
  }

  /// Ends the run: its last files are written, and the workers are told.
  private func end(_ ending: RunEnding) -> RunEnding {
    let ending = recorder.end(ending, learner.state)
    // Who connected just now has not come to the rules yet.
    var peers = rules.peers
    while let input = mailbox.next(timeout: .zero) {
      switch input {
      case .opened(let peer, _): peers.append(peer)
      case .checkpointFailed(let reason): recorder.note(.failure(worker: nil, reason: reason))
      default: break
      }
    }
    recorder.noteLeftOut(isLast: true)
    for peer in peers {
      if let reason = ending.reason {
        links.send(.refuse(reason: "the run has failed: \(reason)"), to: [peer])
      } else {
        links.send(.finished, to: [peer])
      }
      links.close(peer)
    }
    return ending
  }
}
