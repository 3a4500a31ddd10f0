import KerasFiles

/// Where a coordinator keeps what must outlive it: a run folder, or a simulated disk.
///
/// Any thread may call it.
public protocol RunStore: AnyObject, Sendable {
  /// Writes an event down; where that fails the run goes on.
  func record(_ event: Event)
  /// Adds an epoch to the history; an epoch that it has already, and all after it, are replaced.
  ///
  /// It is on the disk when this returns.
  /// - Throws: where it cannot be written.
  func append(_ record: EpochRecord) throws
  /// Replaces the newest checkpoint, and keeps the one before; it is on the disk when this returns.
  /// - Throws: where it cannot be written; both stay.
  func writeCheckpoint(_ model: ModelFile) throws
  /// Replaces the model of the best epoch, `model.best`; it is on the disk when this returns.
  ///
  /// The one before stays until no checkpoint names it any more.
  /// - Throws: where it cannot be written; the old one stays.
  func writeBest(_ model: ModelFile) throws
  /// Forgets the checkpoints after more than `updates`, and the epochs of the history after the
  /// newest that is left; the model of the best epoch is again the one that this names.
  ///
  /// - Returns: that one, with its position and the optimizer's slots; nil where there is none.
  /// - Throws: where that cannot be done.
  func rollBack(before updates: Int) throws -> ModelFile?
  /// Replaces the trained model; it is on the disk when this returns.
  /// - Throws: where it cannot be written; the old one stays.
  func writeModel(_ model: ModelFile) throws
  /// Draws the curves of the history.
  /// - Throws: where they cannot be written.
  func drawCurves() throws
}

extension RunFolder: RunStore {}
