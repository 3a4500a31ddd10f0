import Engine
import Runs

/// How bodies travel between a coordinator and its workers.
public enum BodyForm: Sendable {
  /// As LZ4 frames, over sockets.
  case encoded
  /// By reference, between a coordinator and its only worker in one process: that computes nothing
  /// while the weights change, since an update waits for all that it was given.
  case local
}

extension CoordinatorHost {
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
}
