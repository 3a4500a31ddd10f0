/// Which weights of a run: those after so many updates, since it was last rolled back.
///
/// Later weights have a greater version, also where a rollback made the updates fewer.
public struct WeightsVersion: Hashable, Sendable, Codable, Comparable, CustomStringConvertible {
  /// How often this coordinator has rolled the run back.
  public var rollback: Int
  /// Updates since the start of the run that are in the weights.
  public var update: Int

  /// The weights after `update` updates, and after `rollback` rollbacks.
  public init(rollback: Int = 0, update: Int) {
    (self.rollback, self.update) = (rollback, update)
  }

  /// By rollback, then by update.
  public static func < (a: Self, b: Self) -> Bool {
    (a.rollback, a.update) < (b.rollback, b.update)
  }

  /// `25`, or `25 after 2 rollbacks`.
  public var description: String {
    switch rollback {
    case 0: "\(update)"
    case 1: "\(update) after 1 rollback"
    default: "\(update) after \(rollback) rollbacks"
    }
  }
}
