import Engine

/// The work units of one phase (an update's steps, or an epoch's validation batches): which wait,
/// who has which, which are done.
struct WorkBoard: Sendable {
  /// The version of the weights that every unit is computed with.
  let version: Int
  /// Units that nobody has, in order.
  private(set) var waiting: [WorkUnit]
  /// Who has a unit that is not done.
  private(set) var holders: [WorkUnit: Set<PeerID>] = [:]
  /// What was answered: a gradient's digest; nil for a validation batch.
  private(set) var answers: [WorkUnit: Digest?] = [:]
  /// Units that a lost worker had, until another gets them.
  private var returned: Set<WorkUnit> = []
  private let count: Int

  /// `units` in order, computed with weights of `version`.
  init(_ units: [WorkUnit], version: Int) {
    waiting = units
    count = units.count
    self.version = version
  }

  /// Whether every unit is done.
  var isComplete: Bool { answers.count == count }

  /// Units that are done, waiting or with somebody.
  var accounted: Int { answers.count + waiting.count + holders.count }

  /// Units of the phase.
  var total: Int { count }

  /// Whether the unit belongs to this phase and is still to be done.
  func needs(_ unit: WorkUnit) -> Bool { holders[unit] != nil || waiting.contains(unit) }

  /// Notes that `peer` has `unit`.
  ///
  /// - Returns: whether the unit comes from a lost worker.
  mutating func give(_ unit: WorkUnit, to peer: PeerID) -> Bool {
    waiting.removeAll { $0 == unit }
    holders[unit, default: []].insert(peer)
    return returned.remove(unit) != nil
  }

  /// Notes the answer to `unit`.
  mutating func finish(_ unit: WorkUnit, answer: Digest?) {
    holders[unit] = nil
    waiting.removeAll { $0 == unit }
    answers[unit] = .some(answer)
  }

  /// Takes `unit` back from `peer`; it waits again where nobody else has it.
  mutating func takeBack(_ unit: WorkUnit, from peer: PeerID) {
    guard holders[unit]?.remove(peer) != nil, holders[unit]?.isEmpty == true else { return }
    holders[unit] = nil
    returned.insert(unit)
    waiting.insert(unit, at: waiting.firstIndex { $0 > unit } ?? waiting.endIndex)
  }
}

/// The middle of the last few times that work took.
struct RecentDurations: Sendable {
  private var durations: [Duration] = []

  /// Forgets the oldest of more than 32.
  mutating func append(_ duration: Duration) {
    durations.append(duration)
    if durations.count > 32 { durations.removeFirst() }
  }

  /// nil with fewer than 3.
  var median: Duration? { durations.count < 3 ? nil : durations.sorted()[durations.count / 2] }
}
