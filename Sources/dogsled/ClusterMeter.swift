import Coordination
import Engine
import Foundation
import Network
import Primitives
import Runs
import Training

/// Watches a run of `bench cluster`: when each update is complete, and what it cost.
///
/// It is told all on the coordinator's thread.
final class ClusterMeter {
  /// What has been counted so far.
  private struct Reading {
    let time: ContinuousClock.Instant
    /// What the coordinator's thread, and the whole process, computed.
    let thread: Duration
    let process: Duration
    let received: Int
    let sent: Int
  }

  private let plan: ClusterPlan
  private let server: CoordinatorServer
  /// Ends the run where something comes in between.
  private let end: () -> Void
  private var readings: [Reading] = []
  private var record: EpochRecord?
  /// Steps that took so long that another worker was given them as well.
  private var duplicated = 0
  /// What came in between: the figures are not those of so many workers then.
  private var disturbance: CoordinatorNote?

  init(_ plan: ClusterPlan, _ server: CoordinatorServer, end: @escaping () -> Void) {
    (self.plan, self.server, self.end) = (plan, server, end)
  }

  /// Takes what the coordinator reports.
  func take(_ report: TrainingReport) {
    switch report {
    case .note(let note):
      log(note.description)
      guard !readings.isEmpty else { return }
      if case .duplicated = note { duplicated += 1 }
      guard note.isDisturbance, disturbance == nil else { return }
      disturbance = note
      end()
    case .progress(let progress):
      guard progress.steps.isMultiple(of: plan.job.schedule.batchesPerUpdate) else { return }
      readings.append(
        Reading(
          time: .now, thread: Self.used(CLOCK_THREAD_CPUTIME_ID),
          process: Self.used(CLOCK_PROCESS_CPUTIME_ID), received: server.bytesReceived,
          sent: server.bytesSent))
    case .epoch(let record): self.record = record
    }
  }

  private static func used(_ clock: clockid_t) -> Duration {
    var time = timespec()
    clock_gettime(clock, &time)
    return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
  }

  /// - Throws: `Failure` where something came in between.
  func checkThatNothingCameInBetween() throws {
    guard let disturbance else { return }
    throw Failure("the figures would be worth nothing: \(disturbance)", status: .tryAgain)
  }

  /// What was measured.
  func result(
    _ recording: Recording, _ options: CoordinatorHost.Options, threads: Int, kernels: KernelSet
  ) throws -> ClusterResult {
    let timed = readings.dropFirst(ClusterPlan.warmUp - 1)
    guard let first = timed.first, let last = timed.last, timed.count > 1, let record else {
      throw Failure("there were too few updates: this is a defect of Dogsled")
    }
    let times = zip(timed, timed.dropFirst()).map { ($1.time - $0.time) / .milliseconds(1) }
    let (update, ideal) = (medianAndMinimum(times).0, plan.ideal(update: recording.update))
    let (count, steps) = (Double(times.count), plan.job.schedule.batchesPerUpdate)
    let updates = Double(plan.job.schedule.updates)
    return ClusterResult(
      workers: plan.workers, batches_per_update: steps, count: times.count,
      weights: options.weights.rawValue, chain: options.chain.rawValue, threads: threads,
      kernels: kernels.rawValue,
      compute_ms: plan.step / .milliseconds(1), apply_ms: recording.update / .milliseconds(1),
      update_ms: update, ideal_ms: ideal, share: ideal / update,
      bytes_up_per_step: (last.received - first.received) / (times.count * steps),
      bytes_down_per_update: (last.sent - first.sent) / times.count,
      coordinator_waited_ms: record.gradientsAwaited * 1000 / updates,
      worker_waited_ms: record.weightsAwaited * 1000 / updates,
      coordinator_thread_ms: (last.thread - first.thread) / .milliseconds(1) / count,
      coordinator_process_ms: (last.process - first.process) / .milliseconds(1) / count,
      duplicated: duplicated, digest: recording.digest.description)
  }
}

extension CoordinatorNote {
  /// Whether some worker, or its work, was lost.
  fileprivate var isDisturbance: Bool {
    switch self {
    case .lost, .exited, .reassigned, .rolledBack, .failure: true
    case .waiting, .joined, .refused, .awaited, .duplicated, .linked, .interrupted: false
    }
  }
}

/// What the benchmark of a cluster prints; milliseconds are those of an update.
struct ClusterResult: Encodable {
  let bench = "cluster"
  let workers: Int
  let batches_per_update: Int
  let count: Int
  let weights: String
  let chain: String
  let threads: Int
  let kernels: String
  let compute_ms: Double
  let apply_ms: Double
  let update_ms: Double
  let ideal_ms: Double
  let share: Double
  let bytes_up_per_step: Int
  let bytes_down_per_update: Int
  /// What the coordinator waited for gradients, and a worker in the mean for weights and work; in
  /// the mean over all updates, also those before the ones that are timed.
  let coordinator_waited_ms: Double
  let worker_waited_ms: Double
  /// What the coordinator computed, on its own thread and in all.
  let coordinator_thread_ms: Double
  let coordinator_process_ms: Double
  /// Steps that took twice the usual time, and were given to a second worker.
  let duplicated: Int
  let digest: String
}
