// The thread that turns what the transport brings into events for the coordinator's rules, and does
// what they decide. What is learnt is the learner's, what is written the recorder's.

import Coordination
import Engine
import Foundation
import KerasFiles
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
  /// The present weights as they travel, once somebody needed them.
  private var encodedWeights: (digest: Digest, body: Body)?
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
      step(mailbox.next(timeout: Self.tick))
    }
  }

  /// How often the rules are told that time passes.
  package static let tick = Duration.milliseconds(20)

  /// Begins the run; then `step` until it has its `ending`.
  package func begin() {
    recorder.begin(isResumed: learner.state.updates > 0)
    perform(rules.start(now: now))
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
    case .closed(let peer, let reason): perform(rules.lost(peer, reason: reason, now: now))
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
      case .welcome(let worker): links.send(.welcome(welcome(worker)), to: peer)
      case .turnAway(let actions): perform(actions)
      }
    case .ready(let answer): perform(rules.ready(peer, answer, now: now))
    case .unable(let reason): perform(rules.unable(peer, reason: reason, now: now))
    case .gradient(let header, let body): take(header, body, from: peer)
    case .evaluated(let header): take(header, from: peer)
    case .leaving: perform(rules.dismiss(peer, reason: "it left the run", now: now))
    case .heartbeat: break
    }
  }

  private func take(_ header: GradientHeader, _ body: Body, from peer: PeerID) {
    let unit = WorkUnit.step(header.step)
    // Decoding is work that no peer may cause unasked.
    guard rules.isAsked(peer, for: unit, header.weightsVersion) else {
      return follow(rules.unasked(peer, unit, now: now))
    }
    let (totals, gradient): (Engine.Totals, StepGradient)
    do throws(AnswerFault) {
      totals = try job.plan.totals(
        of: unit, loss: header.loss, correct: header.correct, count: header.count)
      gradient = try decode(body, header)
    } catch {
      return follow(rules.unusable(peer, unit, header.weightsVersion, error, now: now))
    }
    switch rules.gradient(peer, header, now: now) {
    case .keep(let place, let actions):
      keep(gradient, totals, at: place)
      perform(actions)
    case .completeUpdate(let place, let actions):
      keep(gradient, totals, at: place)
      perform(actions)
      applyUpdate()
    case .drop(let consequence): follow(consequence)
    }
  }

  private func take(_ header: EvaluationHeader, from peer: PeerID) {
    let unit = WorkUnit.validation(header.batch)
    let totals: Engine.Totals
    do throws(AnswerFault) {
      totals = try job.plan.totals(
        of: unit, loss: header.loss, correct: header.correct, count: header.count)
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

  /// The gradient that came with an answer.
  /// - Throws: where it is damaged, or not finite although its loss is.
  private func decode(_ body: Body, _ header: GradientHeader) throws(AnswerFault) -> StepGradient {
    let step = "step \(header.step)"
    let buffer: ParameterBuffer
    if case .local(let local) = body {
      buffer = local
    } else {
      buffer = learner.gradientBuffer()
      do { try TensorCoding.decode(body, into: buffer) } catch { throw .damaged("\(error)") }
      guard buffer.digest == header.digest else {
        throw .damaged("the digest of its gradient of \(step) is not the one it names")
      }
    }
    // A worker says so itself, by its loss.
    guard buffer.isFinite || !header.loss.isFinite else {
      throw .impossible(
        "its gradient of \(step) is not finite, though its loss is: its memory or its processor "
          + "makes errors")
    }
    return StepGradient(buffer, pictures: header.count)
  }

  // MARK: Weights

  private func keep(_ gradient: StepGradient, _ totals: Engine.Totals, at place: Int) {
    let count = job.schedule.steps(ofUpdate: learner.state.updates).count
    learner.take(gradient, at: place, of: count)
    recorder.add(totals, at: place, of: count)
    recorder.tellProgress(workers: rules.readyWorkers)
  }

  private func applyUpdate() {
    let isFinite = learner.applyUpdate()
    encodedWeights = nil
    if isFinite { recorder.updateApplied() }
    let consequence = rules.updateApplied(isFinite: isFinite, now: now)
    if isFinite { recorder.writeCheckpointIfDue(learner.state) }
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
    recorder.forgetUpdate()
    if update < learner.state.updates {
      do throws(RollbackFailure) {
        let checkpoint = try recorder.rollBack(before: update, links)
        learner.rollBack(to: checkpoint?.state)
        encodedWeights = nil
      } catch {
        return rules.failed(error.ending)
      }
    }
    let updates = learner.state.updates
    recorder.note(.rolledBack(updates: updates))
    return rules.rolledBack(to: updates, epochs: recorder.totals.epoch, now: now)
  }

  // MARK: Actions

  private func perform(_ actions: [CoordinatorAction]) {
    for action in actions where ending == nil { perform(action) }
  }

  private func perform(_ action: CoordinatorAction) {
    switch action {
    case .refuse(let peer, let reason):
      links.send(.refuse(reason: reason), to: peer)
      links.close(peer)
    case .close(let peer): links.close(peer)
    case .sendWeights(let peer): sendWeights(to: peer)
    case .assign(let peer, let unit):
      recorder.beginEpoch(links)
      links.send(.work(assigned(unit)), to: peer)
    case .finishEpoch(let epoch):
      finishEpoch(epoch)
    case .note(let note): recorder.note(note)
    case .stop(let ending): self.ending = end(ending)
    }
  }

  private func finishEpoch(_ epoch: Int) {
    guard let failure = recorder.finishEpoch(epoch, learner.state, links) else { return }
    perform(rules.failed(failure))
  }

  private func welcome(_ worker: Int) -> Welcome {
    Welcome(
      worker: worker, model: KerasConfiguration.encode(job.architecture),
      floats: job.architecture.parameters.bufferCount,
      batchSize: job.hyperparameters.batchSize,
      pictures: job.hyperparameters.pictures.description, manifest: manifestJSON,
      probe: options.probe?.jpegs ?? [])
  }

  /// The manifest as every worker is sent it.
  private lazy var manifestJSON: String = {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    // A manifest is strings and numbers: encoding it cannot fail.
    return (try? encoder.encode(job.manifest)).map { String(decoding: $0, as: UTF8.self) } ?? ""
  }()

  private func sendWeights(to peer: PeerID) {
    do {
      let (digest, body) = try encodedWeights ?? encodeWeights()
      encodedWeights = (digest, body)
      let header = WeightsHeader(version: rules.weightsVersion, digest: digest)
      links.send(.weights(header, body), to: peer)
    } catch {
      perform(rules.failed(.failed("the weights cannot be sent: \(error)")))
    }
  }

  private func encodeWeights() throws -> (digest: Digest, body: Body) {
    let weights = learner.state.weights
    switch options.bodies {
    case .encoded: return (weights.digest, try TensorCoding.encode(weights))
    // Nothing travels that could be damaged: no digest, which takes a millisecond.
    case .local: return (.ofNothing, .local(weights))
    }
  }

  private func assigned(_ unit: WorkUnit) -> AssignedWork {
    let work: Work =
      switch unit {
      case .step(let step): .gradient(step: step, pictures: job.plan.training(step: step))
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
        links.send(.refuse(reason: "the run has failed: \(reason)"), to: peer)
      } else {
        links.send(.finished, to: peer)
      }
      links.close(peer)
    }
    return ending
  }
}
