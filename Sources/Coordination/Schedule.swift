/// Which steps make up which update and which epoch: a function of the hyper-parameters alone.
///
/// Steps and updates are counted over the whole run from 0; epochs from 0 as well.
public struct Schedule: Hashable, Sendable {
  /// Epochs of the run.
  public let epochs: Int
  /// Steps of an epoch.
  public let stepsPerEpoch: Int
  /// Steps of an update; the last update of an epoch may have fewer.
  public let batchesPerUpdate: Int
  /// Validation batches after each epoch.
  public let validationBatches: Int

  /// The schedule of a run; every number is positive, `validationBatches` may be 0.
  public init(epochs: Int, stepsPerEpoch: Int, batchesPerUpdate: Int, validationBatches: Int) {
    self.epochs = epochs
    self.stepsPerEpoch = stepsPerEpoch
    self.batchesPerUpdate = batchesPerUpdate
    self.validationBatches = validationBatches
  }

  /// Updates of an epoch.
  public var updatesPerEpoch: Int { (stepsPerEpoch + batchesPerUpdate - 1) / batchesPerUpdate }

  /// Updates of the run.
  public var updates: Int { epochs * updatesPerEpoch }

  /// The epoch that `update` belongs to.
  public func epoch(ofUpdate update: Int) -> Int { update / updatesPerEpoch }

  /// Whether no update of the same epoch follows `update`.
  public func endsEpoch(_ update: Int) -> Bool { (update + 1) % updatesPerEpoch == 0 }

  /// The steps whose gradients `update` averages.
  public func steps(ofUpdate update: Int) -> Range<Int> {
    let start = epoch(ofUpdate: update) * stepsPerEpoch
    let first = update % updatesPerEpoch * batchesPerUpdate
    return start + first..<start + min(first + batchesPerUpdate, stepsPerEpoch)
  }
}
