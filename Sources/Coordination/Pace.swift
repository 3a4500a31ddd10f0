// How long work takes: of one worker, and of all.

/// What a worker needs for a batch of a step, and of a validation: the quickest of its last few.
package struct Pace: Sendable {
  private static let most = 3
  /// A figure counts for this many times as long as it is: who was slow gets another chance, which
  /// costs the run little.
  private static let trust = 20

  private var steps: [Duration] = []
  private var validations: [Duration] = []
  private var measured = Duration.zero

  /// It needed so long for a unit.
  mutating func append(_ duration: Duration, of unit: WorkUnit, now: Duration) {
    measured = now
    let duration = duration / unit.batches
    switch unit {
    case .steps: steps = steps.suffix(Self.most - 1) + [duration]
    case .validation: validations = validations.suffix(Self.most - 1) + [duration]
    }
  }

  /// The quickest of the last few steps; nil where it has answered none.
  var quickest: Duration? { steps.min() }

  /// The longest that it needed for a batch of the last few units; nil where it has not answered.
  package var slowest: Duration? { (steps + validations).max() }

  /// How long it is expected to need for a unit; nil where nothing is known, or too long ago.
  func expected(of unit: WorkUnit, now: Duration) -> Duration? {
    let quickest =
      switch unit {
      case .steps: steps.min()
      case .validation: validations.min()
      }
    guard let quickest, now - measured <= quickest * unit.batches * Self.trust else { return nil }
    return quickest * unit.batches
  }
}

/// The middle of the last few times that work took.
struct RecentDurations: Sendable {
  private static let most = 32
  private var durations: [Duration] = []
  /// nil with fewer than 3.
  private(set) var median: Duration?
  /// The median; the longest where there are too few for one, nil with none.
  var usual: Duration? { median ?? durations.max() }

  mutating func append(_ duration: Duration) {
    durations.append(duration)
    if durations.count > Self.most { durations.removeFirst() }
    if durations.count >= 3 { median = durations.sorted()[durations.count / 2] }
  }
}
