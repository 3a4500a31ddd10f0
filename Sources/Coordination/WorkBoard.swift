/// The work units of one phase (an update's steps, or an epoch's validation batches): which wait,
/// who has which, which are done.
struct WorkBoard: Sendable {
  /// The version of the weights that every unit is computed with.
  let version: Int
  /// Units that want somebody, or somebody more, in order.
  private(set) var waiting: [WorkUnit]
  /// Who has a unit that is not done.
  private(set) var holders: [WorkUnit: Set<PeerID>] = [:]
  /// What was answered, and by whom.
  private(set) var answers: [WorkUnit: Answer] = [:]
  /// Of units that are verified and not done, the answers so far.
  private(set) var witnesses: [WorkUnit: Witnesses] = [:]
  /// Units that a lost worker had, until another gets them.
  private var returned: Set<WorkUnit> = []
  private let units: [WorkUnit]

  /// `units` in order, computed with weights of `version`.
  init(_ units: [WorkUnit], version: Int, verification: Verification) {
    waiting = units
    self.units = units
    self.version = version
    for unit in units where verification.contains(unit) { witnesses[unit] = Witnesses() }
  }

  /// Whether every unit is done.
  var isComplete: Bool { answers.count == units.count }

  /// A unit that is neither done nor waiting nor with anybody: there must be none.
  var forgotten: WorkUnit? {
    units.first { answers[$0] == nil && holders[$0] == nil && !waiting.contains($0) }
  }

  /// Whether the unit belongs to this phase and is still to be done.
  func needs(_ unit: WorkUnit) -> Bool { holders[unit] != nil || waiting.contains(unit) }

  /// Notes that `peer` has `unit`.
  ///
  /// - Returns: whether the unit comes from a lost worker.
  mutating func give(_ unit: WorkUnit, to peer: PeerID) -> Bool {
    holders[unit, default: []].insert(peer)
    sort(unit)
    return returned.remove(unit) != nil
  }

  /// Notes an answer to `unit` that does not decide it.
  mutating func witness(_ unit: WorkUnit, _ answer: Answer, from peer: PeerID) {
    witnesses[unit]?.append(answer)
    holders[unit]?.remove(peer)
    if holders[unit]?.isEmpty == true { holders[unit] = nil }
    sort(unit)
  }

  /// Forgets the answers to `unit` of a worker that makes errors.
  mutating func disbelieve(_ process: WorkerProcess, in unit: WorkUnit) {
    witnesses[unit]?.remove(process)
    sort(unit)
  }

  /// Notes the answer to `unit`.
  mutating func finish(_ unit: WorkUnit, answer: Answer) {
    holders[unit] = nil
    witnesses[unit] = nil
    waiting.removeAll { $0 == unit }
    answers[unit] = answer
  }

  /// Takes `unit` back from `peer`; it waits again where too few others have it.
  mutating func takeBack(_ unit: WorkUnit, from peer: PeerID) {
    guard holders[unit]?.remove(peer) != nil else { return }
    if holders[unit]?.isEmpty == true { holders[unit] = nil }
    sort(unit)
    if waiting.contains(unit) { returned.insert(unit) }
  }

  /// Has `unit` wait where it wants somebody more, and not where it has enough.
  private mutating func sort(_ unit: WorkUnit) {
    let there = (holders[unit]?.count ?? 0) + (witnesses[unit]?.answers.count ?? 0)
    waiting.removeAll { $0 == unit }
    guard there < witnesses[unit]?.wanted ?? 1 else { return }
    waiting.insert(unit, at: waiting.firstIndex { $0 > unit } ?? waiting.endIndex)
  }
}
