import Coordination
import Engine
import Runs

/// What a coordinator tells while it trains; it comes on the coordinator's thread.
public enum TrainingReport: Sendable {
  /// Something happened that the user may want to know.
  case note(CoordinatorNote)
  /// A batch is in.
  case progress(TrainingProgress)
  /// An epoch is over.
  case epoch(EpochRecord)
}

/// How far the present epoch has come.
public struct TrainingProgress: Hashable, Sendable {
  /// Counted from 1.
  public var epoch: Int
  /// Epochs of the run.
  public var epochs: Int
  /// Steps of this epoch that are in.
  public var steps: Int
  /// Steps of an epoch.
  public var stepsPerEpoch: Int
  /// Validation batches of this epoch that are in.
  public var validated: Int
  /// Validation batches of an epoch.
  public var validationBatches: Int
  /// Mean training loss of the epoch so far.
  public var loss: Double
  /// Training accuracy of the epoch so far.
  public var accuracy: Double
  /// Training pictures a second in this epoch.
  public var picturesPerSecond: Double
  /// Seconds until the epoch's last step, at this pace; nil where the pace is not known.
  public var secondsLeft: Double?
  /// Workers that are ready.
  public var workers: Int
}
