/// How long work takes of late, and how long a worker may keep the others waiting.
struct Patience: Sendable {
  /// A unit is given to an idle worker too when it takes this many times the median...
  private static let slowFactor = 2
  /// ...and at least this long.
  private static let slowFloor = Duration.milliseconds(50)
  /// ...or this long where the median is not known yet.
  private static let slowUnknown = Duration.seconds(10)
  /// A worker that owes an answer for this many times the usual time counts as lost...
  private static let stuckFactor = 20
  /// ...but not before this long...
  private static let stuckFloor = Duration.seconds(10)
  /// ...nor this long where it has not answered yet: it may have pictures to decode...
  private static let stuckNew = Duration.seconds(60)
  /// ...nor this long where nobody has.
  private static let stuckUnknown = Duration.seconds(300)
  /// A worker that was sent the weights has so long to take them.
  static let weightsMost = Duration.seconds(300)
  /// A worker counts as lost whose work others have answered so many times one after the other.
  static let unansweredMost = 20
  /// Of a tick that comes late no more counts: this process, or its machine, stood still.
  private static let tickMost = Duration.seconds(1)

  /// How long silence of a worker's machine is borne.
  private let heartbeatBound: Duration
  /// Time that passed while this process ran: what debts are measured by.
  private(set) var time = Duration.zero
  private var lastTick = Duration.zero
  private var steps = RecentDurations()
  private var validations = RecentDurations()

  init(heartbeatBound: Duration) { self.heartbeatBound = heartbeatBound }

  /// The coordinator begins.
  mutating func start(now: Duration) { lastTick = now }

  /// Time has passed.
  mutating func tick(now: Duration) {
    time += min(now - lastTick, Self.tickMost)
    lastTick = now
  }

  /// A worker needed so long for a unit.
  mutating func append(_ duration: Duration, of unit: WorkUnit) {
    let duration = duration / unit.batches
    switch unit {
    case .steps: steps.append(duration)
    case .validation: validations.append(duration)
    }
  }

  /// How long a unit may take before an idle worker is given it as well.
  func slow(_ unit: WorkUnit) -> Duration {
    let median =
      switch unit {
      case .steps: steps.median
      case .validation: validations.median
      }
    let usual = median.map { max($0 * Self.slowFactor, Self.slowFloor) }
    return (usual ?? Self.slowUnknown) * unit.batches
  }

  /// How long a worker that gets an update from another one may take to come to its weights.
  /// - Parameter batches: that it may be computing.
  func linkMost(_ batches: Int) -> Duration {
    max(heartbeatBound, slow(.steps(0..<batches)))
  }

  /// How long a worker of that pace may owe an answer to a unit of so many batches.
  func most(_ pace: Pace, batches: Int) -> Duration {
    let usual = [steps.usual, validations.usual, pace.slowest].compactMap { $0 }
    guard let longest = usual.max().map({ $0 * batches }) else { return Self.stuckUnknown }
    let floor = pace.slowest == nil ? Self.stuckNew : Self.stuckFloor
    // Standing still within the heartbeat's bound is no fault.
    return max(longest * Self.stuckFactor, floor, heartbeatBound * 2)
  }
}
