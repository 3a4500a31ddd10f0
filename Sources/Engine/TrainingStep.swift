/// Which step of which run is computed: what dropout draws by.
public struct TrainingStep: Hashable, Sendable {
  /// The run's seed.
  public let seed: UInt64
  /// The step, counted from 0 over the whole run.
  public let number: Int

  /// The step of this number.
  public init(seed: UInt64, number: Int) { (self.seed, self.number) = (seed, number) }
}
