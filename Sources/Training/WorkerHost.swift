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
  /// What the coordinator in the same process has checked already.
  case shared(training: PictureStore, validation: PictureStore)
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
  private enum Item {
    case weights(WeightsHeader, Body)
    case work(AssignedWork)
  }

  private let hello: Hello
  private let source: WorkerPictures
  private let processes: Int
  private let bodies: BodyForm
  private let kernels: KernelSet
  private let log: (String) -> Void
  private var current: WorkerRun?
  private var queue: [Item] = []
  /// What a machine that makes errors does to each gradient before anybody sees it: here nothing.
  ///
  /// Tests and the simulation set it before the first connection.
  package var damage: (ParameterBuffer) -> Void = { _ in }

  /// A worker that computes with `threads` threads.
  ///
  /// - Parameters:
  ///   - name: machine and process, as `host:4123`.
  ///   - token: of the process; of all workers of a run none may have the same.
  ///   - processes: how many workers with the machine's memory in common begin together.
  ///   - log: called on the worker's thread with one line at a time.
  public init(
    pictures: WorkerPictures, threads: Int, kernels: KernelSet,
    name: String? = nil, token: UInt64 = .random(in: 0...UInt64.max),
    processes: Int = 1, bodies: BodyForm = .encoded,
    log: @escaping (String) -> Void = { _ in }
  ) {
    let process = ProcessInfo.processInfo
    hello = Hello(
      version: dogsledVersion, name: name ?? "\(process.hostName):\(process.processIdentifier)",
      token: token, threads: threads, kernels: kernels.rawValue)
    source = pictures
    self.processes = processes
    self.bodies = bodies
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
    current?.forgetWeights()
    link.send(.hello(hello))
  }

  /// Whether there is something to compute.
  package var hasWork: Bool { !queue.isEmpty }

  /// Takes what came, or, where that is nothing, computes what is next.
  /// - Returns: how the worker's time ends, where it does; `link` is closed then.
  package func step(_ input: WorkerInput?, _ link: any CoordinatorLink) -> WorkerEnding? {
    var ending: WorkerEnding?
    do {
      if let input {
        ending = try take(input, link)
      } else if hasWork {
        try compute(queue.removeFirst(), link)
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
    case .message(.refuse(let reason)): return .refused("the coordinator: \(reason)")
    case .message(.finished): return .finished
    case .message(.heartbeat): break
    case .message(.welcome(let welcome)):
      log("welcome as worker \(welcome.worker)")
      if current?.welcome.isSameRun(as: welcome) != true {
        current = nil
        current = try WorkerRun(
          welcome, source: source, threads: hello.threads, kernels: kernels,
          processes: processes, log: log)
      }
      link.send(.ready(try current?.answer(welcome.probe) ?? .none))
      log("ready")
    case .message(.weights(let header, let body)):
      // Newer weights cancel older ones and the work that is left on them.
      queue.removeAll { item in
        switch item {
        case .weights: true
        case .work(let work): work.weightsVersion < header.version
        }
      }
      queue.append(.weights(header, body))
    case .message(.work(let work)):
      current?.prefetch(work.work)
      queue.append(.work(work))
    }
    return nil
  }

  private func compute(_ item: Item, _ link: any CoordinatorLink) throws {
    guard let current else { throw WorkerError("the coordinator sent work before its welcome") }
    switch item {
    case .weights(let header, let body): try current.take(header, body)
    case .work(let work):
      switch work.work {
      case .gradient(let step, let pictures):
        var (gradient, totals) = try current.gradient(pictures, version: work.weightsVersion)
        damage(gradient)
        if !gradient.isFinite || !totals.loss.isFinite {
          // The bits of NaN differ between instruction sets: all that is no number is made equal.
          for tensor in gradient.layout.tensors { gradient[tensor].update(repeating: .nan) }
          totals.loss = .nan
        }
        let header = GradientHeader(
          step: step, weightsVersion: work.weightsVersion, loss: totals.loss,
          correct: totals.correct, count: totals.count, digest: gradient.digest)
        let body: Body = bodies == .local ? .local(gradient) : try TensorCoding.encode(gradient)
        link.send(.gradient(header, body))
      case .validation(let batch, let pictures):
        var totals = try current.evaluate(pictures, version: work.weightsVersion)
        if !totals.loss.isFinite { totals.loss = .nan }
        link.send(
          .evaluated(
            EvaluationHeader(
              batch: batch, weightsVersion: work.weightsVersion, loss: totals.loss,
              correct: totals.correct, count: totals.count)))
      }
    }
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
  }
}
