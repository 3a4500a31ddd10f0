/// What plateaus and early stopping remember of the epochs so far: part of a checkpoint, so that it
/// goes back with the weights.
public struct ValidationProgress: Hashable, Sendable, Codable {
  /// One watch over the validation loss.
  public struct Watch: Hashable, Sendable, Codable {
    /// The lowest loss so far; nil before the first.
    public private(set) var best: Double?
    /// Epochs since then, or since the watch last ran out.
    public private(set) var waited = 0

    /// Nothing was seen.
    public init() {}

    /// Takes an epoch's loss.
    /// - Parameters:
    ///   - change: what a loss must be lower by to count.
    ///   - patience: epochs without such a loss.
    /// - Returns: whether these are over; then it begins to count again.
    public mutating func runsOut(_ loss: Double, change: Double, patience: Int) -> Bool {
      if best.map({ loss < $0 - change }) ?? loss.isFinite {
        (best, waited) = (loss, 0)
        return false
      }
      waited += 1
      guard waited >= patience else { return false }
      waited = 0
      return true
    }
  }

  /// For the learning rate.
  public var plateau = Watch()
  /// For the run's end.
  public var stopping = Watch()
  /// How often the learning rate was reduced.
  public var reductions = 0
  /// Whether the run is to end.
  public var isOver = false

  /// A run's start.
  public init() {}
}
