// The thread that turns what the transport brings into events for the coordinator's rules, and
// performs their actions.

import Coordination
import Engine
import Foundation
import KerasFiles
import Primitives
import Runs
import Wire

/// How bodies travel between a coordinator and its workers.
public enum BodyForm: Sendable {
  /// As LZ4 frames, over sockets.
  case encoded
  /// By reference, between a coordinator and its only worker in one process: that computes nothing
  /// while the weights change, since an update waits for all that it was given.
  case local
}

/// A coordinator: holds the weights and the optimizer's state, and writes the run folder.
///
/// Not thread-safe: `run` blocks the thread that calls it; all else comes by the mailbox.
public final class CoordinatorHost {
  /// What does not decide the weights.
  public struct Options: Sendable {
    /// Ready workers that training waits for before it starts.
    public var minimumWorkers = 1
    /// The tokens of the workers that the program launched itself: workers 1, 2 and so on.
    public var localWorkers: [UInt64] = []
    /// Threads of an update.
    public var threads = 1
    /// The instruction set of an update.
    public var kernels: KernelSet
    /// Checkpoints beside those at each epoch's end.
    public var checkpointEvery: CheckpointInterval?
    /// What workers have to prove on joining; nil where they are in the same process.
    public var probe: Probe?
    /// Whether checkpoints are written beside the training, on a thread of their own.
    public var writesInBackground = true
    /// The fraction of steps and validation batches that two workers compute, to find one that
    /// computes wrong.
    public var verify = 0.0
    /// Silence after which a worker's connection counts as lost.
    public var heartbeatBound = Duration.seconds(3)
    /// How bodies travel.
    public var bodies = BodyForm.encoded
    /// One worker, one thread, sockets.
    public init(kernels: KernelSet) { self.kernels = kernels }
  }

  let job: TrainingJob
  let options: Options
  let store: any RunStore
  let mailbox: Mailbox<CoordinatorInput>
  let links: any WorkerLinks
  let report: (TrainingReport) -> Void
  let updater: Updater
  let checkpoints: CheckpointWriter
  /// When the newest checkpoint was begun, and after how many updates.
  var lastCheckpoint: (time: Duration, updates: Int)
  private let clock: () -> Duration
  private var lastTick = Duration.zero
  /// Of the lines that any stranger can cause there are few.
  private var strangers = LineLimit<Bool, CoordinatorNote>()

  var rules: CoordinatorRules
  let weights: ParameterBuffer
  let average: ParameterBuffer
  var gradientPool: BufferPool
  /// The present weights as a message, once somebody needed it.
  var published: (header: WeightsHeader, body: Body)?
  var tree: GradientTree?
  var ledger: EpochTotals
  var arrived: WorkerMessage?
  /// How the run ended, once it has.
  public private(set) var ending: RunEnding?
  /// Why the last epoch's history could not be written, earlier weights not be found, or the
  /// present ones are no numbers: no checkpoint may be written any more.
  var unwritten: String?

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
    self.store = store
    let began = ContinuousClock.now
    self.clock = clock ?? { .now - began }
    self.mailbox = mailbox
    self.links = links
    self.report = report
    updater = try Updater(job.gradients, threads: options.threads, kernels: options.kernels)
    checkpoints = try CheckpointWriter(
      store, job.architecture.parameters, inBackground: options.writesInBackground)
    let layout = job.architecture.parameters
    gradientPool = BufferPool(job.gradients.buffer)
    let position = checkpoint?.position ?? RunPosition()
    if let checkpoint {
      weights = checkpoint.weights
      average = checkpoint.average ?? ParameterBuffer(layout)
    } else {
      weights = ParameterBuffer(layout)
      weights.initialize(seed: job.hyperparameters.seed)
      average = ParameterBuffer(layout)
    }
    ledger = EpochTotals(at: position)
    lastCheckpoint = (self.clock(), position.updates)
    rules = CoordinatorRules(
      schedule: job.schedule, version: dogsledVersion, minimumWorkers: options.minimumWorkers,
      localWorkers: options.localWorkers, probe: options.probe?.answer ?? .none,
      verify: options.verify, seed: job.hyperparameters.seed,
      heartbeatBound: options.heartbeatBound, updates: position.updates, epochs: position.epochs)
  }

  /// The digest of the present weights.
  public var digest: Digest { weights.digest }

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
    store.record(Event(rules.updatesApplied == 0 ? .started : .resumed))
    perform(rules.start(now: now))
  }

  /// Does what follows from `input`, and from the passing of time.
  package func step(_ input: CoordinatorInput?) {
    if let input { perform(handle(input)) }
    guard now - lastTick >= Self.tick else { return }
    lastTick = now
    perform(rules.tick(now: now))
    sayLeftOut()
  }

  /// Says how many lines were left out of late; with `isLast` also of what has just begun.
  func sayLeftOut(isLast: Bool = false) {
    for left in strangers.leftOut(now: now, isLast: isLast) {
      write(left.line.standing(for: left.others))
    }
  }

  /// What the rules' books contradict themselves in; nil where all is well.
  package var inconsistency: String? { rules.inconsistency(now: now) }

  /// Gradients that there is memory for.
  package var gradientBuffers: Int { gradientPool.count }

  /// The time by the coordinator's clock.
  var now: Duration { clock() }

  private func handle(_ input: CoordinatorInput) -> [CoordinatorAction] {
    let now = now
    switch input {
    case .opened(let peer, let address): return rules.opened(peer, address: address, now: now)
    case .closed(let peer, let reason): return rules.lost(peer, reason: reason, now: now)
    case .localWorkerExited(let index, let reason):
      return rules.localWorkerExited(index, reason: reason, now: now)
    case .checkpointFailed(let reason):
      note(.failure(worker: nil, reason: reason))
      return []
    case .interrupted: return rules.interrupted(now: now)
    case .message(let peer, let message):
      arrived = message
      defer { arrived = nil }
      switch message {
      case .hello(let hello): return rules.hello(peer, hello, now: now)
      case .ready(let answer): return rules.ready(peer, answer, now: now)
      case .unable(let reason): return rules.unable(peer, reason: reason, now: now)
      case .gradient(let header, _): return take(rules.gradient(peer, header, now: now))
      case .evaluated(let header): return take(rules.evaluated(peer, header, now: now))
      case .leaving: return rules.dismiss(peer, reason: "it left the run", now: now)
      case .heartbeat: return []
      }
    }
  }

  /// Takes in what `arrived` holds where the rules ask for it, and goes on with what follows.
  private func take(_ actions: [CoordinatorAction]) -> [CoordinatorAction] {
    actions.flatMap { action in
      guard case .accept(let peer, let unit) = action else { return [action] }
      do {
        try takeIn(unit)
        tellProgress()
        return rules.accepted(peer, unit, now: now)
      } catch {
        return rules.unusable(peer, reason: "\(error)", now: now)
      }
    }
  }

  private func perform(_ actions: [CoordinatorAction]) {
    var actions = actions[...]
    while let action = actions.popFirst() { actions += perform(action) }
  }

  /// - Returns: what the rules ask for because of it.
  private func perform(_ action: CoordinatorAction) -> [CoordinatorAction] {
    switch action {
    case .welcome(let peer, let worker): links.send(.welcome(welcome(worker)), to: peer)
    case .refuse(let peer, let reason):
      links.send(.refuse(reason: reason), to: peer)
      links.close(peer)
    case .close(let peer): links.close(peer)
    case .sendWeights(let peer):
      do {
        let (header, body) = try publish()
        links.send(.weights(header, body), to: peer)
      } catch {
        return rules.failed(.failed("the weights cannot be sent: \(error)"))
      }
    case .assign(let peer, let unit):
      if ledger.began == nil { beginEpoch() }
      links.send(.work(assigned(unit)), to: peer)
    case .accept: break
    case .applyUpdate(let update, let steps): return apply(update, steps)
    case .goBack(let update): return goBack(before: update)
    case .finishEpoch(let epoch): return finishEpoch(epoch)
    case .note(let note): self.note(note)
    case .stop(let ending): self.ending = end(ending)
    }
    return []
  }

  func note(_ note: CoordinatorNote) {
    if let isRefusal = note.isRefusalOfStranger {
      guard strangers.passes(note, kind: isRefusal, now: now) else { return }
    }
    write(note)
  }

  private func write(_ note: CoordinatorNote) {
    store.record(note.event)
    report(.note(note))
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

  private func assigned(_ unit: WorkUnit) -> AssignedWork {
    let work: Work =
      switch unit {
      case .step(let step): .gradient(step: step, pictures: job.plan.training(step: step))
      case .validation(let batch):
        .validation(batch: batch, pictures: job.plan.validation(batch: batch))
      }
    return AssignedWork(work, weightsVersion: rules.weightsVersion)
  }

  private func publish() throws -> (header: WeightsHeader, body: Body) {
    if let published { return published }
    let version = rules.weightsVersion
    let message: (WeightsHeader, Body) =
      switch options.bodies {
      case .encoded:
        (
          WeightsHeader(version: version, digest: weights.digest), try TensorCoding.encode(weights)
        )
      // Nothing travels that could be damaged: no digest, which takes a millisecond.
      case .local: (WeightsHeader(version: version, digest: .ofNothing), .local(weights))
      }
    published = message
    return message
  }
}
