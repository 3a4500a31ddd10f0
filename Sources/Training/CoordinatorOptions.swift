import Engine
import Runs
import Wire

/// How bodies travel between a coordinator and its workers.
public enum BodyForm: Sendable {
  /// In parts, over sockets.
  case encoded
  /// By reference, between a coordinator and its only worker in one process: that computes nothing
  /// while the weights change, since an update waits for all that it was given.
  case local
}

/// How workers over sockets come to new weights.
public enum WeightsForm: String, CaseIterable, Sendable {
  /// In whichever of the other two ways takes fewer bytes.
  case auto
  /// They are sent the weights after each update.
  case whole
  /// They are sent what makes an update, and make it themselves.
  case update
}

/// Whether workers hand parts of updates on to each other, so that the coordinator sends each once.
public enum ChainForm: String, CaseIterable, Sendable {
  /// Those on other machines than the coordinator do.
  case auto
  /// All do.
  case always
  /// None does: the coordinator sends each worker all parts.
  case never
}

extension CoordinatorHost {
  /// What does not decide the weights.
  public struct Options: Sendable {
    /// Ready workers that training waits for before it starts.
    public var minimumWorkers = 1
    /// The numbers of the processes that the program launched itself: workers 1, 2 and so on.
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
    /// How workers come to new weights, where bodies are encoded.
    public var weights = WeightsForm.auto
    /// Whether workers hand on parts of updates, where they make the updates themselves.
    public var chain = ChainForm.auto
    /// The data folder, for workers that lack pictures; nil where nobody is sent any.
    public var pictures: String?
    /// The floats of a part.
    public var partFloats = Limits.standard.partFloats
    /// One worker, one thread, sockets.
    public init(kernels: KernelSet) { self.kernels = kernels }
  }
}
