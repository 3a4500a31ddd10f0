import Coordination
import Pictures
import Testing
import Training

/// Totals that a peer names, before the rules hear of them.
@Suite struct AnswerCheckTests {
  private static let plan = BatchPlan(
    trainingCount: 23, validationCount: 7, batchSize: 5, seed: 1)

  @Test func `Units have the pictures of their batch, and others none`() {
    for step in 0..<40 {
      #expect(Self.plan.pictures(of: .step(step)) == Self.plan.training(step: step).count)
    }
    for batch in 0..<2 {
      #expect(
        Self.plan.pictures(of: .validation(batch)) == Self.plan.validation(batch: batch).count)
    }
    for number in [-1, Int.min] {
      #expect(Self.plan.pictures(of: .step(number)) == nil)
      #expect(Self.plan.pictures(of: .validation(number)) == nil)
    }
    #expect(Self.plan.pictures(of: .validation(2)) == nil)
    #expect(Self.plan.pictures(of: .validation(.max)) == nil)
    #expect(Self.plan.pictures(of: .step(.max - 1)) != nil)
  }

  @Test func `Totals that can be right pass, also those of a run that diverges`() throws {
    for (loss, correct) in [(0.0, 0), (3.5, 5), (.nan, 1), (.infinity, 0), (1e38, 2)] {
      let totals = try Self.plan.totals(of: .step(0), loss: loss, correct: correct, count: 5)
      #expect(totals.correct == correct && totals.count == 5)
    }
    // The last batch of a pass is smaller.
    #expect(try Self.plan.totals(of: .step(4), loss: 1, correct: 3, count: 3).count == 3)
  }

  @Test(
    arguments: [
      (-1.0, 1, 5), (1e300, 1, 5), (1, 6, 5), (1, -1, 5), (1, 1, 4), (1, 1, 6), (1, 0, .max),
    ] as [(Double, Int, Int)])
  func `Totals that cannot be right are refused`(_ loss: Double, _ correct: Int, _ count: Int) {
    #expect(throws: AnswerFault.self) {
      try Self.plan.totals(of: .step(0), loss: loss, correct: correct, count: count)
    }
  }

  @Test func `Among the first five are all that are right, and no more than there are`() throws {
    func totals(_ amongFive: Int) throws -> Int {
      try Self.plan.totals(
        of: .validation(0), loss: 1, correct: 2, amongFive: amongFive, count: 5
      ).amongFive
    }
    for right in [0, 2, 5] { #expect(try totals(right) == right) }
    for wrong in [-1, 1, 6, .max] { #expect(throws: AnswerFault.self) { try totals(wrong) } }
  }
}
