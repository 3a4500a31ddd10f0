/// Lets one line of a kind through in each span of time and counts the rest, so that a flood of
/// them fills neither a disk nor a screen.
package struct LineLimit<Kind: Hashable & Sendable, Line: Sendable>: Sendable {
  /// The span.
  package static var span: Duration { .seconds(60) }
  /// Kinds that are told apart; a further one is left out while there are so many.
  private static var mostKinds: Int { 32 }

  /// A line that was left out, for all of its kind that were.
  package struct LeftOut {
    package let line: Line
    /// How many more there were.
    package let more: Int

    /// What to write behind the line of the others; empty where there are none.
    package var others: String {
      more > 0 ? " (and \(more) more such \(more > 1 ? "lines" : "line"))" : ""
    }
  }

  private struct Count {
    let began: Duration
    var leftOut = 0
    var last: Line?
  }

  private var counts: [Kind: Count] = [:]

  /// Nothing has been said.
  package init() {}

  /// Whether a line may be written; one that may not is counted.
  package mutating func passes(_ line: Line, kind: Kind, now: Duration) -> Bool {
    guard var count = counts[kind] else {
      guard counts.count < Self.mostKinds else { return false }
      counts[kind] = Count(began: now)
      return true
    }
    count.leftOut += 1
    count.last = line
    counts[kind] = count
    return false
  }

  /// Of each kind whose span is over, the last line that was left out, which is its line of the
  /// next span; with `isLast` of all kinds.
  package mutating func leftOut(now: Duration, isLast: Bool = false) -> [LeftOut] {
    guard !counts.isEmpty else { return [] }
    let over = counts.filter { isLast || now - $0.value.began >= Self.span }
    for (kind, count) in over { counts[kind] = count.last.map { _ in Count(began: now) } }
    return over.values.compactMap { count in
      count.last.map { LeftOut(line: $0, more: count.leftOut - 1) }
    }
  }
}
