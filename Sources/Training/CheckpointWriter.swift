import Dispatch
import Engine
import Foundation
import Synchronization

/// When checkpoints are written beside those at each epoch's end.
public enum CheckpointInterval: Hashable, Sendable {
  /// After so many updates.
  case updates(Int)
  /// After the update that ends so many seconds or more.
  case seconds(Double)
}

/// Writes checkpoints beside the training: of copies, on a thread of its own.
///
/// Used from one thread.
final class CheckpointWriter: Sendable {
  private let store: any RunStore
  /// Nil where the caller writes.
  private let queue: DispatchQueue?
  /// Written to only while nothing is queued.
  private let weights: ParameterBuffer
  private let average: ParameterBuffer
  private let writing = Atomic(false)

  init(_ store: any RunStore, _ layout: ParameterLayout, inBackground: Bool) {
    self.store = store
    queue = inBackground ? DispatchQueue(label: "checkpoint") : nil
    weights = ParameterBuffer(layout)
    average = ParameterBuffer(layout)
  }

  /// Whether the one before is not yet on the disk: beginning the next would wait for it.
  var isWriting: Bool { writing.load(ordering: .relaxed) }

  /// Begins to write `file`, whose buffers may change from now on; waits for the one before.
  /// - Parameter done: called on the thread that writes.
  func write(
    _ file: ModelFile, done: @escaping @Sendable (Result<Digest, any Error>) -> Void
  ) {
    wait()
    weights.copy(from: file.weights)
    if let fileAverage = file.average { average.copy(from: fileAverage) }
    var copy = file
    copy.weights = weights
    copy.average = file.average == nil ? nil : average
    writing.store(true, ordering: .relaxed)
    let write = { @Sendable [self, copy] in
      defer { writing.store(false, ordering: .relaxed) }
      done(
        Result {
          try store.writeCheckpoint(copy)
          return copy.weights.digest
        })
    }
    if let queue { queue.async(execute: write) } else { write() }
  }

  /// Waits until nothing is being written.
  func wait() { queue?.sync {} }
}
