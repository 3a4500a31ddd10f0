import KerasFiles

/// By which figure of the validation the best epoch is chosen.
public enum BestMeasure: String, Codable, CaseIterable, Sendable {
  /// The lowest loss.
  case loss
  /// The highest accuracy.
  case accuracy
}

extension Hyperparameters {
  /// The part of `table` that says which epoch is kept as the best.
  static let choosing: [Hyperparameter] = [
    .init(
      "best", \.best,
      help: "Which epoch's weights are kept as best.h5: the one of the lowest validation loss, or "
        + "of the highest accuracy", writesDefault: false)
  ]

  /// Whether an epoch did better than the best before it, as Keras's `ModelCheckpoint` has it: of
  /// equal ones the first stays, and what is not finite is never the best.
  public func isBetter(_ record: EpochRecord, than best: BestEpoch?) -> Bool {
    let (loss, accuracy) = (record.validationLoss, record.validationAccuracy)
    guard loss.isFinite, accuracy.isFinite else { return false }
    guard let best else { return true }
    return switch self.best {
    case .loss: loss < best.validationLoss
    case .accuracy: accuracy > best.validationAccuracy
    }
  }
}
