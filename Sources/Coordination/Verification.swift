// Who computes wrong: a state machine of its own, which the coordinator's rules feed with answers.
// It compares them bit by bit; what follows for workers and work is the rules' business.

import Primitives
import Wire

/// Which units two workers compute, what they answered, and what is in the weights unchecked.
///
/// Verified are a fraction of all units, chosen by the unit alone, and those that workers have
/// disagreed about.
package struct Verification: Sendable {
  /// What becomes of an answer to a unit that is not decided.
  package enum Verdict: Hashable, Sendable {
    /// It counts. Those processes answered something else: their machines make errors.
    case counts(faulty: Set<WorkerProcess>)
    /// It does not decide: another answer is wanted. Those processes make errors and have to go.
    case needsAnother(faulty: Set<WorkerProcess>)
    /// Who gave it makes errors; the weights may hold some since that update.
    case faulty(Fault, firstUpdate: Int?)
    /// It decides that those processes make errors, and the weights may hold some since `before`.
    case rollBack(before: Int, faulty: Set<WorkerProcess>)
    /// It is not finite and nobody else was asked: two workers compute the unit again.
    case disputed(before: Int)
  }

  /// How an answer shows that its sender makes errors.
  package enum Fault: Hashable, Sendable {
    /// It answered something else before.
    case contradictsItself
    /// Others answered something else.
    case contradictsOthers
  }

  /// What becomes of an answer to a unit that is decided.
  package enum LateVerdict: Hashable, Sendable {
    /// It is equal, or there is nothing left to compare it with.
    case agrees
    /// It is another than the first, and nobody knows which is wrong: two workers compute the
    /// unit again.
    case disputed(before: Int)
    /// Two workers confirmed the first, so that this one is wrong.
    case faulty(firstUpdate: Int?)
  }

  /// What counts, by unit, computed with the weights of one version.
  private struct Decided: Sendable {
    var version: WeightsVersion
    var answers: [WorkUnit: Answer] = [:]
  }

  /// How often one worker computes a unit that is verified, where there are others.
  static let answersMost = 3

  private let seed: UInt64
  /// From 0, none, to 1, all.
  private let fraction: Double
  /// The epoch whose validation batches are meant.
  private var epoch = 0
  /// What was said of units that workers disagreed about.
  private var disputes: [WorkUnit: [Answer]] = [:]
  /// Of the present units that are verified and not decided, the answers so far.
  private var witnesses: [WorkUnit: Witnesses] = [:]
  private var unchecked: UncheckedWork
  private var present: Decided
  /// The update before: its answers may still come in.
  private var previous: Decided?

  /// - Parameters:
  ///   - seed: chooses the units.
  ///   - fraction: of all units; from 0, none, to 1, all.
  ///   - updates: that another coordinator applied before.
  package init(seed: UInt64, fraction: Double, after updates: Int = 0) {
    (self.seed, self.fraction) = (seed, fraction)
    unchecked = UncheckedWork(after: updates)
    present = Decided(version: WeightsVersion(update: updates))
  }

  // MARK: What is asked

  /// Whether two workers have to agree about a unit.
  package func contains(_ unit: WorkUnit) -> Bool {
    if disputes[unit] != nil { return true }
    guard fraction > 0 else { return false }
    let draw =
      switch unit {
      case .steps(let steps):
        CounterRandom(seed: seed, purpose: .verification, UInt64(steps.lowerBound)).double(0)
      case .validation(let batch):
        CounterRandom(seed: seed, purpose: .verification, UInt64(batch), UInt64(epoch)).double(1)
      }
    return draw < fraction
  }

  /// Answers to a present unit that are still wanted before it can be decided.
  package func missing(_ unit: WorkUnit) -> Int { witnesses[unit]?.missing ?? 1 }

  /// How often a process has answered a unit that is verified and not decided; nil for others.
  func answers(to unit: WorkUnit, by process: WorkerProcess) -> Int? {
    witnesses[unit]?.count(of: process)
  }

  /// Whether each of two workers insists: asked again they would say the same.
  func isStuck(_ unit: WorkUnit) -> Bool {
    witnesses[unit]?.answers.count == 2 * Self.answersMost
  }

  /// Whether all that counts is finite.
  package var isFinite: Bool { present.answers.values.allSatisfy(\.isFinite) }

  // MARK: Events

  /// Units are given out, to be computed with weights of `version`.
  package mutating func begin(_ units: [WorkUnit], version: WeightsVersion) {
    present = Decided(version: version)
    witnesses = [:]
    for unit in units where contains(unit) { witnesses[unit] = Witnesses() }
  }

  /// How many steps a unit had that workers disagreed about, of those that begin in `steps`.
  ///
  /// As many it must have again. Nil where they agreed about all.
  func stepsOfDisputes(in steps: Range<Int>) -> Int? {
    disputes.keys.filter { $0.step.map(steps.contains) == true }.map(\.batches).max()
  }

  /// So many validation batches of `epoch` are given out.
  ///
  /// What was said of another epoch's batches is forgotten.
  package mutating func begin(validation batches: Int, of epoch: Int, version: WeightsVersion) {
    if epoch != self.epoch { disputes = disputes.filter { $0.key.step != nil } }
    self.epoch = epoch
    begin((0..<batches).map(WorkUnit.validation), version: version)
  }

  /// The present steps are in the weights.
  package mutating func updateApplied() { previous = present }

  /// An answer to a present unit that is not decided.
  /// - Parameter isAlone: whether nobody else could be asked.
  package mutating func judge(_ unit: WorkUnit, _ answer: Answer, isAlone: Bool) -> Verdict {
    let process = answer.process
    guard let witnesses = witnesses[unit] else {
      guard answer.isFinite else {
        dispute([unit: [answer]])
        return .disputed(before: present.version.update)
      }
      unchecked.add(process, update: present.version.update)
      return decide(unit, answer, faulty: [])
    }
    if witnesses.contradict(answer) {
      self.witnesses[unit]?.remove(process)
      return .faulty(.contradictsItself, firstUpdate: unchecked.firstUpdate(of: [process]))
    }
    // A machine that comes to no number where another comes to one makes errors.
    if !answer.isFinite, witnesses.answers.contains(where: \.isFinite) {
      return .faulty(.contradictsOthers, firstUpdate: unchecked.firstUpdate(of: [process]))
    }
    if witnesses.confirm(answer) {
      let faulty = witnesses.against(answer).union(settle(unit, answer))
      return decide(unit, answer, faulty: faulty)
    }
    if isAlone, witnesses.repeat(answer) {
      // There is nobody to ask. Should it be found to err later, the run rolls back.
      unchecked.add(process, update: present.version.update)
      return decide(unit, answer, faulty: [])
    }
    self.witnesses[unit]?.append(answer)
    let faulty = answer.isFinite ? witnesses.withoutNumber : []
    for process in faulty { self.witnesses[unit]?.remove(process) }
    if let update = unchecked.firstUpdate(of: faulty) {
      return .rollBack(before: update, faulty: faulty)
    }
    return .needsAnother(faulty: faulty)
  }

  private mutating func decide(
    _ unit: WorkUnit, _ answer: Answer, faulty: Set<WorkerProcess>
  ) -> Verdict {
    if let update = unchecked.firstUpdate(of: faulty) {
      return .rollBack(before: update, faulty: faulty)
    }
    witnesses[unit] = nil
    present.answers[unit] = answer
    return .counts(faulty: faulty)
  }

  /// Who was wrong in the dispute about a unit, now that two workers gave `answer`.
  ///
  /// Where somebody in the dispute had said `answer`, all others were wrong. Where nobody had, the
  /// weights were others then, and only those were wrong who came to no finite number. What was
  /// said counts once: it is forgotten now.
  private mutating func settle(_ unit: WorkUnit, _ answer: Answer) -> Set<WorkerProcess> {
    guard let said = disputes[unit] else { return [] }
    disputes[unit] = []
    let isRight = said.contains { $0.digest == answer.digest }
    return Set(
      said.filter { $0.digest != answer.digest && (isRight || !$0.isFinite) }.map(\.process))
  }

  /// An answer to a unit that is decided: it must equal the first.
  package mutating func judgeLate(
    _ unit: WorkUnit, version: WeightsVersion, _ answer: Answer
  ) -> LateVerdict {
    let decided = [present, previous].first { $0?.version == version } ?? nil
    guard let first = decided?.answers[unit], first.digest != answer.digest else { return .agrees }
    if contains(unit) {
      return .faulty(firstUpdate: unchecked.firstUpdate(of: [answer.process]))
    }
    dispute([unit: [first, answer]])
    return .disputed(before: version.update)
  }

  /// An answer to a unit cannot be right.
  ///
  /// What its sender's machine did unchecked before is looked for only where the unit is verified,
  /// as with every other wrong answer.
  /// - Returns: the update since which the weights may hold errors of its sender, where the unit
  ///   is one of those that are verified.
  package func impossible(_ unit: WorkUnit, from process: WorkerProcess) -> Int? {
    contains(unit) ? unchecked.firstUpdate(of: [process]) : nil
  }

  /// Finite gradients of the last update made weights that are not: nobody believes them.
  /// - Returns: whether two workers compute them again; false where two did.
  package mutating func doubtLastUpdate() -> Bool {
    doubt(previous.map { Array($0.answers.keys) } ?? [])
  }

  /// Nobody believes the answers to these units.
  /// - Returns: whether two workers compute them again; false where two did.
  package mutating func doubt(_ units: [WorkUnit]) -> Bool {
    guard units.contains(where: { !contains($0) }) else { return false }
    dispute(.init(uniqueKeysWithValues: units.map { ($0, []) }))
    return true
  }

  private mutating func dispute(_ units: [WorkUnit: [Answer]]) {
    disputes.merge(units) { $0 + $1 }
  }

  /// The weights are those after `update` again.
  package mutating func rollBack(to update: Int) {
    // With other weights, what was no finite number may be one.
    if update < present.version.update {
      disputes = disputes.mapValues { $0.filter(\.isFinite) }
    }
    unchecked.rollBack(to: update)
    previous = nil
    (present.answers, witnesses) = ([:], [:])
  }
}
