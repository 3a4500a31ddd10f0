/// Wrong secrets, by where they came from: whoever sends many is heard more and more rarely.
struct Guesses: Sendable {
  /// The wrong secret that the first pause follows.
  private static let free = 10
  /// The longest pause.
  private static let longest = Duration.seconds(60)
  /// After so long without a wrong one an address is forgotten.
  private static let memory = Duration.seconds(600)
  /// Addresses that are remembered; of more that one goes whose last guess is oldest.
  private static let most = 1024

  private struct Count {
    var wrong = 0
    var last: Duration
    /// Nothing is heard until then.
    var until: Duration
  }

  private var counts: [String: Count] = [:]

  /// The whole seconds, at least one, for which nothing is heard from `host`; nil where it is.
  func pause(of host: String, now: Duration) -> Int? {
    guard let until = counts[host]?.until, now < until else { return nil }
    return max(1, Int(((until - now) / .seconds(1)).rounded(.up)))
  }

  /// A wrong secret came: after ten, each is followed by a pause twice as long as the one before.
  mutating func isWrong(of host: String, now: Duration) {
    counts = counts.filter { now - $0.value.last < Self.memory }
    if counts[host] == nil, counts.count >= Self.most {
      let oldest = counts.min { ($0.value.last, $0.key) < ($1.value.last, $1.key) }
      if let oldest { counts[oldest.key] = nil }
    }
    var count = counts[host] ?? Count(last: now, until: now)
    count.wrong += 1
    count.last = now
    if count.wrong >= Self.free {
      let doublings = min(count.wrong - Self.free, 6)
      count.until = now + min(.seconds(1 << doublings), Self.longest)
    }
    counts[host] = count
  }
}
