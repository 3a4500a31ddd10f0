import Wire

/// What a ready worker was given, what it may still answer, and since when it owes an answer.
package struct WorkerProgress: Sendable, CustomStringConvertible {
  /// A unit that it was given.
  package struct Assignment: Sendable {
    package let unit: WorkUnit
    let version: WeightsVersion
    /// When the worker could begin it.
    package var since: Duration

    /// Whether it is what an answer is to.
    func isFor(_ unit: WorkUnit, _ version: WeightsVersion) -> Bool {
      self.unit == unit && self.version == version
    }
  }

  /// An answer that the run waits for.
  package struct Debt: Sendable {
    /// By `Patience.time`.
    package let since: Duration
    /// Whether the user was told.
    package var isAnnounced = false
  }

  /// What it does.
  enum Activity: Sendable {
    /// It waits for work.
    case idle
    /// It computes the first of these; the others follow.
    case computing([Assignment], Debt)
    /// Since then it may be computing what newer weights made void; what is next follows.
    case finishingVoid(since: Duration, next: [Assignment], Debt)
  }

  /// What an answer is to.
  package enum Standing {
    /// A unit that it has to compute.
    case assigned
    /// A unit that newer weights made void; it may have answered before it knew.
    case void
  }

  /// Whose weights it has.
  enum Weights: Hashable, Sendable {
    /// None of the run's.
    case none
    /// It was sent some then (by `Patience.time`), and the updates since are on their way to it.
    case catchingUp(since: Duration)
    /// It came to others than the coordinator and was sent them anew then: what it answers before
    /// it holds them counts for nothing.
    case strayed(since: Duration)
    /// It said that it holds them, and makes or is sent all that come after; whether it has said
    /// that of the present ones, and has the coordinator's digest.
    case held(isConfirmed: Bool)
  }

  /// How often a worker may come to other weights than the coordinator.
  private static let strayedMost = 3

  /// Who it is.
  package let process: WorkerProcess
  /// How long it needs for a unit.
  package private(set) var pace = Pace()
  private(set) var activity = Activity.idle
  private(set) var weights = Weights.none
  /// The last weights that it said it holds.
  var held: WeightsVersion?
  /// The last of them that were seen to have the coordinator's digest.
  private(set) var confirmed: WeightsVersion?
  /// How often it came to other weights than the coordinator.
  private var strayed = 0
  /// Since when it has not said that it holds the present weights, by `Patience.time`.
  private var unconfirmedSince: Duration?
  /// How often what it had to compute became void since it last answered.
  package private(set) var unanswered = 0
  /// What newer weights made void and it may still answer, in the order in which it was given.
  private var void: [Assignment] = []

  /// One that has nothing to do.
  package init(_ process: WorkerProcess) { self.process = process }

  /// What it has to compute, in order.
  package var queue: [Assignment] {
    switch activity {
    case .idle: []
    case .computing(let queue, _), .finishingVoid(_, let queue, _): queue
    }
  }

  /// Whether it waits for work.
  package var isIdle: Bool { if case .idle = activity { true } else { false } }

  /// What the run waits for; nil where it has nothing to do, or nothing that is needed: that it may
  /// have dropped.
  package var debt: Debt? {
    switch activity {
    case .idle: nil
    case .computing(_, let debt): debt
    case .finishingVoid(_, let next, let debt): next.isEmpty ? nil : debt
    }
  }

  /// What it does, for who reads that it is lost.
  package var description: String {
    guard let first = queue.first else {
      return isIdle ? "had nothing to do" : "was finishing what is no longer needed"
    }
    let others = queue.dropFirst().map { ", \($0.unit) to follow" }.joined()
    return "had \(first.unit) to compute\(others)"
  }

  /// What an answer to `unit` would be to; nil where it was not given that.
  package func standing(of unit: WorkUnit, _ version: WeightsVersion) -> Standing? {
    if queue.contains(where: { $0.isFor(unit, version) }) { return .assigned }
    return void.contains { $0.isFor(unit, version) } ? .void : nil
  }

  /// The unit that it was given and that a step belongs to.
  func unit(of step: Int, _ version: WeightsVersion) -> WorkUnit? {
    (queue + void).first { assignment in
      guard case .steps(let steps) = assignment.unit else { return false }
      return assignment.version == version && steps.contains(step)
    }?.unit
  }

  /// How long it is expected to need for all that it has and one more, at `pace` a unit.
  package func expected(_ pace: Duration, now: Duration) -> Duration {
    let (begun, waiting): (Duration?, Int) =
      switch activity {
      case .idle: (nil, 0)
      case .computing(let queue, _): (queue[0].since, queue.count - 1)
      case .finishingVoid(let since, let next, _): (since, next.count)
      }
    let sum = pace * (waiting + 1)
    guard let begun else { return sum }
    // What takes longer than it should may take as long again.
    let elapsed = now - begun
    return sum + (elapsed < pace ? pace - elapsed : elapsed)
  }

  // MARK: Events

  /// It is sent all that the run has learnt.
  /// - Parameter time: by `Patience.time`.
  package mutating func follow(time: Duration) {
    weights = .catchingUp(since: time)
    held = nil
  }

  /// It says that it holds weights that it was sent, or has made.
  package mutating func hold() { weights = .held(isConfirmed: false) }

  /// It says that it holds the present weights: what is void it has answered before, or dropped.
  /// - Parameter time: by `Patience.time`.
  package mutating func confirm(now: Duration, time: Duration) {
    weights = .held(isConfirmed: true)
    (unconfirmedSince, confirmed) = (nil, held)
    void = []
    if case .finishingVoid(_, let next, _) = activity { compute(next, isNext: true, now, time) }
  }

  /// The weights are others now, which it makes or is sent.
  /// - Parameter time: by `Patience.time`.
  package mutating func advance(time: Duration) {
    unanswered = queue.isEmpty ? unanswered : unanswered + 1
    makeVoid()
    guard case .held = weights else { return }
    weights = .held(isConfirmed: false)
    unconfirmedSince = unconfirmedSince ?? time
  }

  /// It came to other weights than the coordinator: what it had to compute is void.
  /// - Parameter time: by `Patience.time`.
  /// - Returns: whether that was once too often.
  package mutating func stray(time: Duration) -> Bool {
    makeVoid()
    weights = .strayed(since: time)
    (unconfirmedSince, held) = (nil, nil)
    strayed += 1
    return strayed >= Self.strayedMost
  }

  /// Whether it holds weights.
  package var holdsWeights: Bool { if case .held = weights { true } else { false } }

  /// Since when it has been waited for that it holds the weights that it was sent; nil where it
  /// does.
  package var weightsSince: Duration? {
    switch weights {
    case .catchingUp(let since), .strayed(let since): since
    case .held: unconfirmedSince
    case .none: nil
    }
  }

  /// It is given a unit.
  /// - Parameter time: by `Patience.time`.
  package mutating func assign(
    _ unit: WorkUnit, _ version: WeightsVersion, now: Duration, time: Duration
  ) {
    let assignment = Assignment(unit: unit, version: version, since: now)
    switch activity {
    case .idle: activity = .computing([assignment], Debt(since: time))
    case .computing(let queue, let debt): activity = .computing(queue + [assignment], debt)
    case .finishingVoid(let since, let next, let debt):
      activity = .finishingVoid(
        since: since, next: next + [assignment], next.isEmpty ? Debt(since: time) : debt)
    }
  }

  /// Newer weights make void what it has to compute.
  package mutating func makeVoid() {
    void += queue
    switch activity {
    case .idle: break
    case .computing(let queue, let debt):
      activity = .finishingVoid(since: queue[0].since, next: [], debt)
    case .finishingVoid(let since, _, let debt):
      activity = .finishingVoid(since: since, next: [], debt)
    }
  }

  /// It has answered a unit that it had to compute; the next one begins now.
  ///
  /// - Returns: how long that took.
  package mutating func finish(
    _ unit: WorkUnit, _ version: WeightsVersion, now: Duration, time: Duration
  ) -> Duration? {
    var rest = queue
    guard let index = rest.firstIndex(where: { $0.isFor(unit, version) }) else { return nil }
    let duration = now - rest.remove(at: index).since
    pace.append(duration, of: unit, now: now)
    // Answers come in order: nothing older can follow.
    (void, unanswered) = ([], 0)
    compute(rest, isNext: index == 0, now, time)
    return duration
  }

  /// It has answered a unit that was void; what came before that it dropped.
  package mutating func finishVoid(
    _ unit: WorkUnit, _ version: WeightsVersion, now: Duration, time: Duration
  ) {
    guard let index = void.firstIndex(where: { $0.isFor(unit, version) }) else { return }
    void.removeFirst(index + 1)
    unanswered = 0
    var isNext = false
    if case .finishingVoid(let since, _, _) = activity {
      pace.append(now - since, of: unit, now: now)
      isNext = true
    }
    compute(queue, isNext: isNext, now, time)
  }

  /// - Parameter isNext: whether the first of them begins now.
  private mutating func compute(
    _ queue: [Assignment], isNext: Bool, _ now: Duration, _ time: Duration
  ) {
    var queue = queue
    if isNext, !queue.isEmpty { queue[0].since = now }
    activity = queue.isEmpty ? .idle : .computing(queue, Debt(since: time))
  }

  /// The user is told that the run waits for it.
  package mutating func announce() {
    switch activity {
    case .idle: break
    case .computing(let queue, var debt):
      debt.isAnnounced = true
      activity = .computing(queue, debt)
    case .finishingVoid(let since, let next, var debt):
      debt.isAnnounced = true
      activity = .finishingVoid(since: since, next: next, debt)
    }
  }
}
