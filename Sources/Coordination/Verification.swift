import Primitives
import Wire

/// Which units are computed by two workers and compared bit by bit: a fraction of all, chosen by
/// the unit alone, and those that workers have disagreed about.
struct Verification: Sendable {
  let seed: UInt64
  /// From 0, none, to 1, all.
  let fraction: Double
  /// The epoch whose validation batches are meant.
  private(set) var epoch = 0
  /// What was said of units that workers disagreed about.
  var disputes: [WorkUnit: [Answer]] = [:]

  init(seed: UInt64, fraction: Double) { (self.seed, self.fraction) = (seed, fraction) }

  func contains(_ unit: WorkUnit) -> Bool {
    if disputes[unit] != nil { return true }
    guard fraction > 0 else { return false }
    let draw =
      switch unit {
      case .step(let step):
        CounterRandom(seed: seed, purpose: .verification, UInt64(step)).double(0)
      case .validation(let batch):
        CounterRandom(seed: seed, purpose: .verification, UInt64(batch), UInt64(epoch)).double(1)
      }
    return draw < fraction
  }

  /// Validation batches are those of `epoch` from now on: what was said of another's is forgotten.
  mutating func validate(epoch: Int) {
    if epoch != self.epoch { disputes = disputes.filter { $0.key.step != nil } }
    self.epoch = epoch
  }

  /// The weights are earlier ones again: with them what was no finite number may be one.
  mutating func goBack() {
    disputes = disputes.mapValues { $0.filter(\.isFinite) }
  }

  /// Who was wrong in the dispute about a unit, now that two workers gave `answer`: who said
  /// something else than another that was right, or that it is no finite number where it is one.
  ///
  /// Nobody, where none of several was right: then the weights were others.
  /// What was said counts once: who comes again from the same machine is not accused anew.
  mutating func settle(_ unit: WorkUnit, _ answer: Answer) -> Set<WorkerProcess> {
    guard let said = disputes[unit] else { return [] }
    disputes[unit] = []
    let isRight = said.contains { $0.digest == answer.digest }
    return Set(
      said.filter { $0.digest != answer.digest && (isRight || !$0.isFinite) }.map(\.process))
  }
}

/// What a worker made of a unit.
struct Answer: Sendable {
  let process: WorkerProcess
  /// Of all that it says: totals, and the digest of a gradient.
  let digest: Digest
  /// Whether loss and gradient are finite numbers.
  let isFinite: Bool
}

/// Answers to a unit that two workers compute, until two of them are equal.
struct Witnesses: Sendable {
  private(set) var answers: [Answer] = []

  /// Whether another process gave an equal answer.
  func confirm(_ answer: Answer) -> Bool {
    answers.contains { $0.digest == answer.digest && $0.process != answer.process }
  }

  /// Whether the same process gave an equal answer.
  func `repeat`(_ answer: Answer) -> Bool {
    answers.contains { $0.digest == answer.digest && $0.process == answer.process }
  }

  /// Whether a process answered something else before: then it makes errors, whoever is right.
  func contradict(_ answer: Answer) -> Bool {
    answers.contains { $0.process == answer.process && $0.digest != answer.digest }
  }

  /// Forgets what a process answered.
  mutating func remove(_ process: WorkerProcess) { answers.removeAll { $0.process == process } }

  mutating func append(_ answer: Answer) { answers.append(answer) }

  /// How often a process answered.
  func count(of process: WorkerProcess) -> Int { answers.count { $0.process == process } }

  /// Processes that answered something else.
  func against(_ answer: Answer) -> Set<WorkerProcess> {
    Set(answers.filter { $0.digest != answer.digest }.map(\.process))
  }

  /// Answers that are wanted before it can be decided: two, or one more than there are.
  var wanted: Int { max(2, answers.count + 1) }
}

extension GradientHeader {
  /// The digest of all that the answer says.
  var answer: Digest {
    .init(of: [digest.high, digest.low, loss.bitPattern, .init(bits: correct), .init(bits: count)])
  }
}

extension EvaluationHeader {
  /// The digest of all that the answer says.
  var answer: Digest { .init(of: [loss.bitPattern, .init(bits: correct), .init(bits: count)]) }
}

extension Digest {
  fileprivate init(of words: [UInt64]) { self = words.withUnsafeBytes(Digest.init(of:)) }
}

extension UInt64 {
  fileprivate init(bits number: Int) { self = UInt64(bitPattern: Int64(number)) }
}
