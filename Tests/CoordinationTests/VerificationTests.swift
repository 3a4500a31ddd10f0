import Coordination
import Primitives
import Testing
import Wire

/// Verification by itself: answers go in, verdicts come out.
@Suite struct VerificationTests {
  private static let first = process(1)
  private static let second = process(2)
  private static let third = process(3)
  private static let step = WorkUnit.step(0)

  /// `value`, which a mutating function returned, is `expected`.
  private func check<Value: Equatable>(
    _ value: Value, _ expected: Value, at place: SourceLocation = #_sourceLocation
  ) {
    #expect(value == expected, sourceLocation: place)
  }

  private static func process(_ number: UInt64, machine: String? = nil) -> WorkerProcess {
    WorkerProcess(number: number, machine: machine ?? "machine \(number)")
  }

  private static func answer(
    _ process: WorkerProcess, _ digest: Int = 0, isFinite: Bool = true
  ) -> Answer {
    Answer(process: process, digest: RulesTable.digest(digest), isFinite: isFinite)
  }

  /// At an update with the steps 0 to 39.
  private static func verification(
    _ fraction: Double, at update: Int = 0, resumedAfter updates: Int = 0
  ) -> Verification {
    var verification = Verification(seed: 1, fraction: fraction, after: updates)
    verification.begin(Self.units(0..<40), version: WeightsVersion(update: update))
    return verification
  }

  @Test func `Without verification the first answer counts`() {
    var verification = Self.verification(0)
    #expect(verification.missing(Self.step) == 1)
    check(
      verification.judge(Self.step, Self.answer(Self.first), isAlone: false), .counts(faulty: []))
    #expect(verification.isFinite)
  }

  @Test func `Two equal answers of two processes count`() {
    var verification = Self.verification(1)
    #expect(verification.missing(Self.step) == 2)
    check(
      verification.judge(Self.step, Self.answer(Self.first), isAlone: false),
      .needsAnother(faulty: []))
    #expect(verification.missing(Self.step) == 1)
    // The same process again is no second witness, unless nobody else is there.
    var alone = verification
    check(
      verification.judge(Self.step, Self.answer(Self.first), isAlone: false),
      .needsAnother(faulty: []))
    check(
      verification.judge(Self.step, Self.answer(Self.second), isAlone: false), .counts(faulty: []))
    check(alone.judge(Self.step, Self.answer(Self.first), isAlone: true), .counts(faulty: []))
  }

  @Test func `A third answer decides, and what the faulty machine did unchecked is named`() {
    for fraction in [0.4, 1.0] {
      var verification = Self.verification(fraction, at: 7)
      // One that is verified, and with a fraction one that is not.
      let units = (0..<40).map(WorkUnit.step)
      guard let verified = units.first(where: verification.contains) else {
        Issue.record("no unit is verified")
        continue
      }
      let unchecked = units.first { !verification.contains($0) }
      #expect((unchecked == nil) == (fraction == 1))
      if let unchecked {
        let verdict = verification.judge(unchecked, Self.answer(Self.first), isAlone: false)
        #expect(verdict == .counts(faulty: []))
      }
      _ = verification.judge(verified, Self.answer(Self.first, 1), isAlone: false)
      _ = verification.judge(verified, Self.answer(Self.second), isAlone: false)
      let verdict = verification.judge(verified, Self.answer(Self.third), isAlone: false)
      #expect(
        verdict
          == (unchecked == nil
            ? .counts(faulty: [Self.first]) : .rollBack(before: 7, faulty: [Self.first])))
    }
  }

  @Test func `What another coordinator applied may be anybody's`() {
    var verification = Self.verification(1, at: 9, resumedAfter: 9)
    for (process, digest) in [(Self.first, 1), (Self.second, 0)] {
      _ = verification.judge(Self.step, Self.answer(process, digest), isAlone: false)
    }
    check(
      verification.judge(Self.step, Self.answer(Self.third), isAlone: false),
      .rollBack(before: 0, faulty: [Self.first]))
    // From the start on it is known who did what.
    verification.rollBack(to: 0)
    verification.begin(Self.units(0..<4), version: WeightsVersion(rollback: 1, update: 0))
    for (process, digest) in [(Self.first, 1), (Self.second, 0)] {
      _ = verification.judge(Self.step, Self.answer(process, digest), isAlone: false)
    }
    check(
      verification.judge(Self.step, Self.answer(Self.third), isAlone: false),
      .counts(faulty: [Self.first]))
  }

  @Test func `Who contradicts itself is faulty, and its answers are forgotten`() {
    var verification = Self.verification(1)
    _ = verification.judge(Self.step, Self.answer(Self.first), isAlone: false)
    check(
      verification.judge(Self.step, Self.answer(Self.first, 1), isAlone: false),
      .faulty(.contradictsItself, firstUpdate: nil))
    #expect(verification.missing(Self.step) == 2)
  }

  @Test func `An answer that is not finite is doubted, and loses against one that is`() {
    var verification = Self.verification(0, at: 3)
    let nan = Self.answer(Self.first, -1, isFinite: false)
    check(verification.judge(Self.step, nan, isAlone: false), .disputed(before: 3))
    verification.rollBack(to: 2)
    for update in 2...3 {
      verification.begin(Self.units(0..<4), version: WeightsVersion(rollback: 1, update: update))
      #expect(verification.contains(Self.step) && !verification.contains(.step(1)))
    }
    // The same machine again, and two others: it is out as soon as one has a number.
    check(verification.judge(Self.step, nan, isAlone: false), .needsAnother(faulty: []))
    check(
      verification.judge(Self.step, Self.answer(Self.second), isAlone: false),
      .needsAnother(faulty: [Self.first]))
    check(
      verification.judge(Self.step, nan, isAlone: false),
      .faulty(.contradictsOthers, firstUpdate: nil))
    check(
      verification.judge(Self.step, Self.answer(Self.third), isAlone: false), .counts(faulty: []))
  }

  @Test func `Two that agree that it is not finite are believed`() {
    var verification = Self.verification(0)
    let nan = [Self.first, Self.second].map { Self.answer($0, -1, isFinite: false) }
    check(verification.judge(Self.step, nan[0], isAlone: false), .disputed(before: 0))
    verification.rollBack(to: 0)
    verification.begin(Self.units(0..<4), version: WeightsVersion(rollback: 1, update: 0))
    _ = verification.judge(Self.step, nan[0], isAlone: false)
    check(verification.judge(Self.step, nan[1], isAlone: false), .counts(faulty: []))
    #expect(!verification.isFinite)
  }

  @Test func `A late answer must equal the one that counted, one update long`() {
    let versions = (0..<3).map { WeightsVersion(update: $0) }
    var verification = Self.verification(0)
    _ = verification.judge(Self.step, Self.answer(Self.first), isAlone: false)
    verification.updateApplied()
    verification.begin(Self.units(4..<8), version: versions[1])
    let wrong = Self.answer(Self.second, 1)
    check(
      verification.judgeLate(Self.step, version: versions[0], Self.answer(Self.second)), .agrees)
    check(verification.judgeLate(Self.step, version: versions[1], wrong), .agrees)
    var later = verification
    check(verification.judgeLate(Self.step, version: versions[0], wrong), .disputed(before: 0))
    // Two workers decide, and the one that was wrong then is named.
    verification.rollBack(to: 0)
    verification.begin(Self.units(0..<4), version: WeightsVersion(rollback: 1, update: 0))
    _ = verification.judge(Self.step, Self.answer(Self.third), isAlone: false)
    check(
      verification.judge(Self.step, Self.answer(Self.first), isAlone: false),
      .counts(faulty: [Self.second]))
    later.updateApplied()
    later.begin(Self.units(8..<12), version: versions[2])
    check(later.judgeLate(Self.step, version: versions[0], wrong), .agrees)
  }

  @Test func `A late answer to a verified unit is wrong where it differs`() {
    var verification = Self.verification(1)
    for process in [Self.first, Self.second] {
      _ = verification.judge(Self.step, Self.answer(process), isAlone: false)
    }
    check(
      verification.judgeLate(
        Self.step, version: WeightsVersion(update: 0), Self.answer(Self.third, 1)),
      .faulty(firstUpdate: nil))
  }

  private static func units(_ steps: Range<Int>) -> [WorkUnit] { steps.map(WorkUnit.step) }

  @Test func `Steps are doubted once`() {
    var verification = Self.verification(0)
    check(verification.doubt(Self.units(0..<4)), true)
    #expect((0..<4).allSatisfy { verification.contains(.step($0)) })
    check(verification.doubt(Self.units(0..<4)), false)
  }

  @Test func `An answer that cannot be right counts as a wrong one where it is verified`() {
    for fraction in [0.0, 1.0] {
      var verification = Self.verification(fraction, at: 5)
      _ = verification.judge(.step(1), Self.answer(Self.first), isAlone: true)
      _ = verification.judge(.step(1), Self.answer(Self.first), isAlone: true)
      #expect(verification.impossible(Self.step, from: Self.first) == (fraction == 1 ? 5 : nil))
      #expect(verification.impossible(Self.step, from: Self.second) == nil)
    }
  }

  @Test func `Another process of a machine that errs is held to what the machine did`() {
    var verification = Self.verification(0, at: 4)
    let again = Self.process(9, machine: Self.first.machine)
    check(verification.doubt(Self.units(1..<2)), true)
    verification.begin(Self.units(0..<4), version: WeightsVersion(rollback: 1, update: 4))
    _ = verification.judge(Self.step, Self.answer(again), isAlone: false)
    for (process, digest) in [(Self.first, 1), (Self.second, 0)] {
      _ = verification.judge(.step(1), Self.answer(process, digest), isAlone: false)
    }
    check(
      verification.judge(.step(1), Self.answer(Self.third), isAlone: false),
      .rollBack(before: 4, faulty: [Self.first]))
  }
}
