import Dispatch
import Engine
import Foundation

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
  private let folder: RunFolder
  private let queue = DispatchQueue(label: "checkpoint")
  /// Written to only while nothing is queued.
  private let weights: ParameterBuffer
  private let average: ParameterBuffer

  init(_ folder: RunFolder, _ layout: ParameterLayout) {
    self.folder = folder
    weights = ParameterBuffer(layout)
    average = ParameterBuffer(layout)
  }

  /// Begins to write `file`, whose buffers may change from now on; waits for the one before.
  /// - Parameter done: called on the writer's thread.
  func write(
    _ file: ModelFile, done: @escaping @Sendable (Result<Digest, any Error>) -> Void
  ) {
    wait()
    weights.copy(from: file.weights)
    if let fileAverage = file.average { average.copy(from: fileAverage) }
    var copy = file
    copy.weights = weights
    copy.average = file.average == nil ? nil : average
    queue.async { [folder, copy] in
      done(
        Result {
          try folder.writeCheckpoint(copy)
          return copy.weights.digest
        })
    }
  }

  /// Waits until nothing is being written.
  func wait() { queue.sync {} }
}
