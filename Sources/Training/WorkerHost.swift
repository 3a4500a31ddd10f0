// The thread of a worker: it takes what the coordinator sends, computes, and answers.

import Engine
import Foundation
import Pictures
import Primitives
import Wire

/// Where a worker's pictures come from.
public enum WorkerPictures: Sendable {
  /// A local copy of the data set; every file is checked against the coordinator's manifest.
  case folder(String)
  /// Files that the coordinator sends, kept in a cache, and those of a local copy of the data set,
  /// where there is one, as far as they are the coordinator's.
  case fetched(data: String?, cache: PictureCache)
  /// Local files, found for the coordinator's manifest: its paths begin at the root.
  case located(Manifest)
  /// What the coordinator in the same process has checked already.
  case shared(training: PictureStore, validation: PictureStore)
  /// It needs none: it computes nothing, and replays the `Recording` that the coordinator sends.
  case recorded
}

/// How a worker's time with a coordinator ends.
public enum WorkerEnding: Hashable, Sendable, CustomStringConvertible {
  /// The run is over.
  case finished
  /// The coordinator will not have this worker, or it cannot take part; one clear line.
  case refused(String)
  /// The connection is gone; one clear line.
  case disconnected(String)
  /// A signal.
  case interrupted
  /// It has no threads to compute with; one clear line. Another try may find some.
  case cutShort(String)

  /// One line for the user.
  public var description: String {
    switch self {
    case .finished: "the run is over"
    case .refused(let reason), .disconnected(let reason), .cutShort(let reason): reason
    case .interrupted: "interrupted"
    }
  }
}

/// A worker; it may serve one connection after another and keeps what it has built.
///
/// Not thread-safe: `run` blocks the thread that calls it; all else comes by the mailbox.
public final class WorkerHost {
  private let hello: Hello
  private let source: WorkerPictures
  private let processes: Int
  private let bodies: BodyForm
  private let sendsInBackground: Bool
  private let kernels: KernelSet
  private let log: (String) -> Void
  private var current: (any StepComputer)?
  private let clock: () -> Duration
  /// Since when there has been nothing to compute.
  private var idleSince: Duration?
  private var sender: GradientSender?
  /// What the run's pictures are fetched for.
  private var fetching: (welcome: Welcome, manifest: Manifest, fetch: PictureFetch)?
  /// A unit to compute, and what of it is done.
  private struct Pending {
    let work: AssignedWork
    /// Steps that are computed.
    var done = 0
    /// Seconds that were waited before those.
    var waited = 0.0
  }

  /// What is left to compute, in order; some of it may be for weights that are still to come.
  private var queue: [Pending] = []
  /// What a machine that makes errors does to each gradient before anybody sees it.
  ///
  /// Tests and the simulation set it before the first connection.
  package var damage: ((ParameterBuffer) -> Void)?

  /// What such a machine does to the weights of an update that it has made.
  package var damageToWeights: ((ParameterBuffer) -> Void)?

  /// A worker that computes with `threads` threads.
  ///
  /// - Parameters:
  ///   - name: machine and process, as `host:4123`.
  ///   - process: its number; of all workers of a run none may have the same.
  ///   - processes: how many workers with the machine's memory in common begin together.
  ///   - sendsInBackground: whether gradients are encoded on a thread of their own.
  ///   - clock: the time since some moment.
  ///   - log: called on the worker's thread with one line at a time.
  public init(
    pictures: WorkerPictures, threads: Int, kernels: KernelSet,
    name: String? = nil, process: UInt64 = .random(in: 0...UInt64.max),
    processes: Int = 1, bodies: BodyForm = .encoded, sendsInBackground: Bool = true,
    clock: (() -> Duration)? = nil, log: @escaping (String) -> Void = { _ in }
  ) {
    let system = ProcessInfo.processInfo
    hello = Hello(
      version: dogsledVersion, name: name ?? "\(system.hostName):\(system.processIdentifier)",
      process: process, threads: threads, kernels: kernels.rawValue)
    source = pictures
    self.processes = processes
    self.bodies = bodies
    self.sendsInBackground = sendsInBackground
    let began = ContinuousClock.now
    self.clock = clock ?? { .now - began }
    self.kernels = kernels
    self.log = log
  }

  /// Works for one connection until it ends; `link` is closed then.
  public func run(
    mailbox: Mailbox<WorkerInput>, link: any CoordinatorLink
  ) -> WorkerEnding {
    begin(link)
    while true {
      let input = mailbox.next(timeout: hasWork ? .zero : nil)
      if let ending = step(input, link) { return ending }
    }
  }

  /// Begins to work for a connection; then `step` until it ends.
  package func begin(_ link: any CoordinatorLink) {
    queue = []
    fetching = nil
    idleSince = nil
    current?.replica.forget()
    link.send(.hello(hello))
  }

  /// Whether there is something to compute, and the weights for it are there.
  package var hasWork: Bool { nextWork != nil }

  private var nextWork: Int? {
    guard let version = current?.replica.held?.version else { return nil }
    return queue.firstIndex { $0.work.weightsVersion == version }
  }

  /// Takes what came, or, where that is nothing, computes what is next.
  /// - Returns: how the worker's time ends, where it does; `link` is closed then.
  package func step(_ input: WorkerInput?, _ link: any CoordinatorLink) -> WorkerEnding? {
    var ending: WorkerEnding?
    do {
      if let input {
        ending = try take(input, link)
      } else if let next = nextWork {
        queue[next].waited += (clock() - (idleSince ?? clock())) / .seconds(1)
        if try compute(&queue[next], link) { queue.remove(at: next) }
        idleSince = clock()
      }
    } catch let error where error is ThreadError || error is MemoryError {
      link.send(.leaving)
      ending = .cutShort("\(error)")
    } catch {
      link.send(.unable(reason: "\(error)"))
      ending = .refused("\(error)")
    }
    if ending != nil { link.close() }
    return ending
  }

  /// - Returns: how the worker's time ends, where it does.
  private func take(
    _ input: WorkerInput, _ link: any CoordinatorLink
  ) throws -> WorkerEnding? {
    switch input {
    case .interrupted:
      link.send(.leaving)
      return .interrupted
    case .closed(let reason): return .disconnected(reason)
    case .refused(let reason): return .refused(reason)
    case .message(.refuse(let reason)): return .refused("the coordinator: \(reason)")
    case .message(.finished): return .finished
    // The transport knows whom it hands parts on to.
    case .message(.heartbeat), .message(.successor), .message(.predecessor): break
    case .message(.welcome(let welcome)):
      log("welcome as worker \(welcome.worker)")
      try begin(welcome, link)
    case .message(.picture(let piece)):
      guard fetching != nil else { throw WorkerError.nonsense }
      try fetching?.fetch.take(piece)
      try goOn(link)
    case .message(.weights(let header, let local)):
      // What it had to compute with weights that it is sent anew, others have got. Whoever makes
      // updates itself is sent no weights for another reason.
      let isSentAnew =
        header.makesUpdates || current?.replica.held?.version == header.version
      queue.removeAll {
        let version = $0.work.weightsVersion
        return version < header.version || isSentAnew && version == header.version
      }
      try follow(link) { try $0.begin(header, local) }
    case .message(.part(let part)): try follow(link) { try $0.take(part) }
    case .message(.update(let header)):
      // All that is left of it to compute here, others have computed.
      queue.removeAll { $0.work.weightsVersion <= header.version }
      try follow(link) { try $0.take(header) }
    case .message(.work(let work)):
      if case .gradient(let step, _) = work.work, !(0...Int(UInt32.max)).contains(step) {
        throw WorkerError("the coordinator sent a step of number \(step), which cannot be")
      }
      current?.prefetch(work.work)
      queue.append(Pending(work: work))
    }
    return nil
  }

  /// Gets ready for a run, or begins to fetch its pictures.
  private func begin(_ welcome: Welcome, _ link: any CoordinatorLink) throws {
    if current?.welcome.isSameRun(as: welcome) == true { return try beReady(welcome, link) }
    (current, sender) = (nil, nil)
    guard case .fetched(let data, let cache) = source else {
      return try build(welcome, source, link)
    }
    let manifest = try welcome.pictureManifest()
    let fetch = try PictureFetch(manifest, data: data, cache: cache, worker: welcome.worker)
    if fetch.missingCount > 0 {
      log("fetching \(fetch.missingCount) pictures into \(cache.folder)")
    }
    fetching = (welcome, manifest, fetch)
    try goOn(link)
  }

  /// Asks for more pictures; gets ready once all have come.
  private func goOn(_ link: any CoordinatorLink) throws {
    if let wanted = fetching?.fetch.next(), !wanted.isEmpty {
      link.send(.wants(WantedPictures(wanted)))
    }
    guard let (welcome, manifest, fetch) = fetching, fetch.missingCount == 0 else { return }
    fetching = nil
    try build(welcome, .located(fetch.located(manifest)), link)
  }

  private func build(
    _ welcome: Welcome, _ source: WorkerPictures, _ link: any CoordinatorLink
  ) throws {
    let run = try computer(welcome, source)
    if bodies == .encoded {
      let sender = try GradientSender(run, kernels: kernels, inBackground: sendsInBackground)
      run.replica.willChange = sender.wait
      self.sender = sender
    }
    run.replica.damage = damageToWeights
    current = run
    try beReady(welcome, link)
  }

  private func beReady(_ welcome: Welcome, _ link: any CoordinatorLink) throws {
    link.send(.ready(try current?.answer(welcome.probe) ?? .none))
    log("ready")
  }

  /// What computes the steps of the run.
  private func computer(
    _ welcome: Welcome, _ source: WorkerPictures
  ) throws -> any StepComputer {
    if case .recorded = source { return try ReplayedRun(welcome, kernels: kernels) }
    return try WorkerRun(
      welcome, source: source, threads: hello.threads, kernels: kernels, processes: processes,
      log: log)
  }

  /// Has the replica take what came, and tells the coordinator where it holds other weights now.
  private func follow(
    _ link: any CoordinatorLink, _ body: (inout Replica) throws -> Void
  ) throws {
    guard let current else { throw WorkerError("the coordinator sent weights before its welcome") }
    let before = current.replica.held?.version
    try body(&current.replica)
    guard let held = current.replica.held, held.version != before else { return }
    guard let sender else {
      return link.send(.holds(HeldWeights(version: held.version, digest: nil)))
    }
    let known = current.replica.replayed?.digest(after: held.version.update)
    sender.tell(held.version, held.weights, digest: known, link)
  }

  /// Computes a batch.
  /// - Returns: whether that was the unit's last.
  private func compute(_ unit: inout Pending, _ link: any CoordinatorLink) throws -> Bool {
    guard let current else { return true }
    switch unit.work.work {
    case .gradient(let first, let pictures):
      guard pictures.indices.contains(unit.done) else { throw WorkerError.nonsense }
      if unit.done == 0 {
        sender?.begin(first, count: pictures.count, version: unit.work.weightsVersion, link)
      }
      try computeGradient(
        current, step: first + unit.done, pictures[unit.done], unit.work.weightsVersion, link)
      unit.done += 1
      guard unit.done == pictures.count else { return false }
      sender?.finish(waited: unit.waited)
    case .validation(let batch, let pictures):
      var totals = try current.evaluate(pictures)
      if !totals.loss.isFinite { totals.loss = .nan }
      // That it holds the weights goes before what it answers with them.
      sender?.wait()
      link.send(
        .evaluated(
          EvaluationHeader(
            batch: batch, weightsVersion: unit.work.weightsVersion, loss: totals.loss,
            correct: totals.correct, amongFive: totals.amongFive, count: totals.count)))
    }
    return true
  }

  private func computeGradient(
    _ run: any StepComputer, step: Int, _ pictures: [Int], _ version: WeightsVersion,
    _ link: any CoordinatorLink
  ) throws {
    let gradient = run.gradientBuffer()
    guard let sender else {
      var totals = try run.gradient(pictures, step: step, into: gradient, ready: nil)
      damage?(gradient)
      if !gradient.isFinite || !totals.loss.isFinite { totals.loss = .nan }
      let header = GradientHeader(
        step: step, weightsVersion: version,
        totals: [.init(loss: totals.loss, correct: totals.correct, count: totals.count)],
        digest: gradient.digest)
      return link.send(.gradient(header, gradient))
    }
    sender.step(gradient)
    // Errors are made before anything leaves.
    let ready: ((String) -> Void)? = if damage == nil { sender.ready } else { nil }
    let totals = try run.gradient(pictures, step: step, into: gradient, ready: ready)
    if let damage {
      damage(gradient)
      sender.readyAll()
    }
    sender.finish(totals)
    try follow(link) { try $0.take(gradient, step: step, version) }
  }
}

/// Why a worker cannot take part.
public struct WorkerError: Error, CustomStringConvertible {
  /// One line for the user.
  public let description: String
  /// An error that says `description`.
  public init(_ description: String) { self.description = description }
}

extension Welcome {
  /// Whether what a worker has built for `self` serves `other` as well.
  fileprivate func isSameRun(as other: Welcome) -> Bool {
    model == other.model && batchSize == other.batchSize
      && pictures == other.pictures && manifest == other.manifest
      && augmentation == other.augmentation && seed == other.seed
      && labelSmoothing == other.labelSmoothing && classWeights == other.classWeights
      && optimizer == other.optimizer && optimizerValues == other.optimizerValues
      && batchesPerUpdate == other.batchesPerUpdate && partFloats == other.partFloats
  }
}
