import Engine

/// Which steps are computed by two workers and compared bit by bit: a fraction of all, chosen by
/// the step alone.
struct Verification: Sendable {
  let seed: UInt64
  /// From 0, none, to 1, all.
  let fraction: Double

  func contains(_ unit: WorkUnit) -> Bool {
    guard case .step(let step) = unit, fraction > 0 else { return false }
    let draw = CounterRandom(seed: seed, purpose: .verification, UInt64(step)).double(0)
    return draw < fraction
  }
}

/// Answers to a unit that two workers compute, until two of them are equal.
struct Witnesses: Sendable {
  private(set) var answers: [(peer: PeerID, digest: Digest)] = []

  /// Whether an answer equals an earlier one of another worker; of the same where that is `alone`.
  func confirm(_ digest: Digest, of peer: PeerID, alone: Bool) -> Bool {
    answers.contains { $0.digest == digest && (alone || $0.peer != peer) }
  }

  /// Whether a worker answered something else before: then it makes errors, whoever is right.
  func contradict(_ digest: Digest, of peer: PeerID) -> Bool {
    answers.contains { $0.peer == peer && $0.digest != digest }
  }

  /// Forgets what a worker answered.
  mutating func remove(_ peer: PeerID) { answers.removeAll { $0.peer == peer } }

  mutating func append(_ digest: Digest, of peer: PeerID) { answers.append((peer, digest)) }

  /// How often a worker answered.
  func count(of peer: PeerID) -> Int { answers.count { $0.peer == peer } }

  /// Workers that answered something else than `digest`.
  func against(_ digest: Digest) -> Set<PeerID> {
    Set(answers.filter { $0.digest != digest }.map(\.peer))
  }

  /// Answers that are wanted before it can be decided: two, or one more than there are.
  var wanted: Int { max(2, answers.count + 1) }
}
