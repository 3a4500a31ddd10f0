import Engine

/// Which steps are computed by two workers and compared bit by bit: a fraction of all, chosen by
/// the step alone, and those that workers have disagreed about.
struct Verification: Sendable {
  let seed: UInt64
  /// From 0, none, to 1, all.
  let fraction: Double
  /// What was said of units that workers disagreed about.
  var disputes: [WorkUnit: [Answer]] = [:]

  func contains(_ unit: WorkUnit) -> Bool {
    guard case .step(let step) = unit else { return false }
    if disputes[unit] != nil { return true }
    guard fraction > 0 else { return false }
    let draw = CounterRandom(seed: seed, purpose: .verification, UInt64(step)).double(0)
    return draw < fraction
  }

  /// Who was wrong in the dispute about a unit, now that two workers computed `digest`.
  ///
  /// Nobody, where neither was right: then the weights were others.
  func wrong(about unit: WorkUnit, _ digest: Digest) -> Set<WorkerProcess> {
    let said = disputes[unit] ?? []
    guard said.contains(where: { $0.digest == digest }) else { return [] }
    return Set(said.filter { $0.digest != digest }.map(\.process))
  }
}

/// What a worker made of a unit.
struct Answer: Sendable {
  let process: WorkerProcess
  /// A gradient's; nil for a validation batch.
  let digest: Digest?
}

/// A worker's process, whatever connection it has at the moment.
struct WorkerProcess: Hashable, Sendable {
  /// The number that it has drawn.
  let token: UInt64
  /// What its other processes share with it: the host's name, and where it connects from.
  let machine: String

  static func == (a: Self, b: Self) -> Bool { a.token == b.token }
  func hash(into hasher: inout Hasher) { hasher.combine(token) }
}

/// Answers to a unit that two workers compute, until two of them are equal.
struct Witnesses: Sendable {
  private(set) var answers: [(process: WorkerProcess, digest: Digest)] = []

  /// Whether another process gave an equal answer.
  func confirm(_ digest: Digest, of process: WorkerProcess) -> Bool {
    answers.contains { $0.digest == digest && $0.process != process }
  }

  /// Whether the same process gave an equal answer.
  func `repeat`(_ digest: Digest, of process: WorkerProcess) -> Bool {
    answers.contains { $0.digest == digest && $0.process == process }
  }

  /// Whether a process answered something else before: then it makes errors, whoever is right.
  func contradict(_ digest: Digest, of process: WorkerProcess) -> Bool {
    answers.contains { $0.process == process && $0.digest != digest }
  }

  /// Forgets what a process answered.
  mutating func remove(_ process: WorkerProcess) { answers.removeAll { $0.process == process } }

  mutating func append(_ digest: Digest, of process: WorkerProcess) {
    answers.append((process, digest))
  }

  /// How often a process answered.
  func count(of process: WorkerProcess) -> Int { answers.count { $0.process == process } }

  /// Processes that answered something else than `digest`.
  func against(_ digest: Digest) -> Set<WorkerProcess> {
    Set(answers.filter { $0.digest != digest }.map(\.process))
  }

  /// Answers that are wanted before it can be decided: two, or one more than there are.
  var wanted: Int { max(2, answers.count + 1) }
}
