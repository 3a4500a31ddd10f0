import Primitives

/// The epoch of a run whose weights did best on the validation pictures so far, and what they came
/// to: part of a checkpoint, so that it goes back with the weights.
public struct BestEpoch: Hashable, Sendable, Codable {
  /// Counted from 1.
  public var epoch: Int
  /// Mean validation loss.
  public var validationLoss: Double
  /// Validation accuracy, 0 to 1.
  public var validationAccuracy: Double
  /// Of the weights.
  public var digest: Digest

  /// An epoch with its figures.
  public init(epoch: Int, validationLoss: Double, validationAccuracy: Double, digest: Digest) {
    self.epoch = epoch
    self.validationLoss = validationLoss
    self.validationAccuracy = validationAccuracy
    self.digest = digest
  }
}
