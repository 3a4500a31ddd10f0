import Engine
import Foundation
import KerasFiles
import Primitives
import Synchronization

/// When checkpoints are written beside those at each epoch's end.
public enum CheckpointInterval: Hashable, Sendable {
  /// After so many updates.
  case updates(Int)
  /// After the update that ends so many seconds or more.
  case seconds(Double)
}

/// Weights that are not to be kept: every update checks its own, so memory must have lost them.
package struct NotFinite: Error, CustomStringConvertible {
  package let description = "the weights are not finite: nothing was written"
}

extension ModelFile {
  /// Whether all weights, and the optimizer's slots, are finite numbers.
  public var isFinite: Bool { state.isFinite }

  /// Itself.
  /// - Throws: `NotFinite` where they are not.
  package func finite() throws -> ModelFile {
    guard isFinite else { throw NotFinite() }
    return self
  }
}

/// Writes checkpoints beside the training: of copies, on a thread of its own.
///
/// Used from one thread.
package final class CheckpointWriter: Sendable {
  private struct Progress {
    var isWriting = false
    /// What the last one took of the processors.
    var cost = Duration.zero
  }

  /// What writing may take of the run's time; the figure of CheckFreq (Mohan, Phanishayee and
  /// Chidambaram, FAST 2021).
  private static let share = 0.035

  private let store: any RunStore
  /// Nil where the caller writes.
  private let thread: SerialThread?
  /// The copies' buffers; written to only while nothing is queued.
  private let buffers: ModelState
  private let progress = Mutex(Progress())

  /// - Throws: where the thread cannot be had.
  package init(
    _ store: any RunStore, _ layout: ParameterLayout, optimizer: any Optimizer,
    inBackground: Bool
  ) throws(ThreadError) {
    self.store = store
    thread = inBackground ? try SerialThread("checkpoint") : nil
    buffers = ModelState(layout, optimizer: optimizer)
  }

  /// Whether another one, so long after the last was begun, would neither wait for that nor take
  /// more than its share of the time.
  package func hasTime(_ sinceLast: Duration) -> Bool {
    progress.withLock { !$0.isWriting && $0.cost <= sinceLast * Self.share }
  }

  /// Begins to write `file`, whose buffers may change from now on; waits for the one before.
  /// - Parameter done: called on the thread that writes.
  package func write(
    _ file: ModelFile, done: @escaping @Sendable (Result<Digest, any Error>) -> Void
  ) {
    wait()
    let begin = Self.threadTime
    var copy = file
    copy.state = buffers
    copy.state.copy(from: file.state)
    let write = { @Sendable [store, copy] in
      done(
        Result {
          try store.writeCheckpoint(copy.finite())
          return copy.state.digest
        })
    }
    guard let thread else { return write() }
    progress.withLock { $0 = Progress(isWriting: true, cost: Self.threadTime - begin) }
    thread.perform { [self] in
      let begin = Self.threadTime
      write()
      let cost = Self.threadTime - begin
      progress.withLock { $0 = Progress(isWriting: false, cost: $0.cost + cost) }
    }
  }

  /// The processor time of the calling thread.
  private static var threadTime: Duration {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
  }

  /// Waits until nothing is being written.
  package func wait() { thread?.wait() }
}
