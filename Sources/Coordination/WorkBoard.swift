import Wire

/// The work units of one phase (an update's steps, or an epoch's validation batches): which wait,
/// who has which, which are done.
struct WorkBoard: Sendable {
  /// The weights that every unit is computed with.
  let version: WeightsVersion
  /// Units that want somebody, or somebody more, in order.
  private(set) var waiting: [WorkUnit]
  /// Who has a unit that is not done.
  private(set) var holders: [WorkUnit: Set<PeerID>] = [:]
  private var done: Set<WorkUnit> = []
  /// Answers that are wanted still, of units that want more than one.
  private var missing: [WorkUnit: Int] = [:]
  /// Units that a lost worker had, until another gets them.
  private var requeued: Set<WorkUnit> = []
  private let units: [WorkUnit]

  /// `units` in order, computed with weights of `version`.
  /// - Parameter missing: how many answers each wants.
  init(_ units: [WorkUnit], version: WeightsVersion, missing: (WorkUnit) -> Int) {
    waiting = units
    self.units = units
    self.version = version
    for unit in units { self.missing[unit] = missing(unit) }
  }

  /// Whether every unit is done.
  var isComplete: Bool { done.count == units.count }

  /// A unit that is neither done nor waiting nor with anybody: there must be none.
  var forgotten: WorkUnit? {
    units.first { !done.contains($0) && holders[$0] == nil && !waiting.contains($0) }
  }

  /// Units that are not done, with the answers that are wanted still.
  var open: [(unit: WorkUnit, missing: Int)] {
    units.filter { !done.contains($0) }.map { ($0, missing[$0] ?? 1) }
  }

  /// Whether the unit belongs to this phase and is still to be done.
  func needs(_ unit: WorkUnit) -> Bool { holders[unit] != nil || waiting.contains(unit) }

  /// Notes that `peer` has `unit`.
  ///
  /// - Returns: whether the unit comes from a lost worker.
  mutating func assign(_ unit: WorkUnit, to peer: PeerID) -> Bool {
    holders[unit, default: []].insert(peer)
    sort(unit)
    return requeued.remove(unit) != nil
  }

  /// Notes that `peer` has answered `unit`, which does not decide it: so many answers are wanted.
  mutating func release(_ unit: WorkUnit, from peer: PeerID, missing: Int) {
    remove(peer, from: unit)
    want(missing, of: unit)
  }

  /// Notes how many answers to `unit` are wanted now.
  mutating func want(_ missing: Int, of unit: WorkUnit) {
    self.missing[unit] = missing
    sort(unit)
  }

  /// Notes that `unit` is done.
  mutating func finish(_ unit: WorkUnit) {
    holders[unit] = nil
    waiting.removeAll { $0 == unit }
    done.insert(unit)
  }

  /// Takes `unit` from a lost worker; it waits again where too few others have it.
  mutating func requeue(_ unit: WorkUnit, from peer: PeerID) {
    guard holders[unit]?.contains(peer) == true else { return }
    remove(peer, from: unit)
    sort(unit)
    if waiting.contains(unit) { requeued.insert(unit) }
  }

  private mutating func remove(_ peer: PeerID, from unit: WorkUnit) {
    holders[unit]?.remove(peer)
    if holders[unit]?.isEmpty == true { holders[unit] = nil }
  }

  /// Has `unit` wait where it wants somebody more, and not where it has enough.
  private mutating func sort(_ unit: WorkUnit) {
    waiting.removeAll { $0 == unit }
    guard holders[unit]?.count ?? 0 < missing[unit] ?? 1 else { return }
    waiting.insert(unit, at: waiting.firstIndex { $0 > unit } ?? waiting.endIndex)
  }
}
