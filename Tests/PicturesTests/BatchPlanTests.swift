import Foundation
import Pictures
import Synchronization
import Testing

@Suite struct BatchPlanTests {
  private let plan = BatchPlan(trainingCount: 47, validationCount: 21, batchSize: 20, seed: 5)

  @Test func aPassTakesEveryPictureOnce() {
    #expect(plan.batchesPerPass == 3)
    let batches = (0..<3).map(plan.training)
    #expect(batches.map(\.count) == [20, 20, 7])
    #expect(batches.joined().sorted() == Array(0..<47))
  }

  @Test func everyPassHasItsOwnOrder() {
    let second = (3..<6).map(plan.training)
    #expect(second.joined().sorted() == Array(0..<47))
    #expect(second != (0..<3).map(plan.training))
  }

  @Test func ordersFollowFromTheSeedAlone() {
    let again = BatchPlan(trainingCount: 47, validationCount: 21, batchSize: 20, seed: 5)
    let other = BatchPlan(trainingCount: 47, validationCount: 21, batchSize: 20, seed: 6)
    #expect(again.training(step: 100) == plan.training(step: 100))
    #expect(other.training(step: 100) != plan.training(step: 100))
    // Written down, so that a change of the order cannot go unseen: it would change all weights.
    #expect(
      BatchPlan(trainingCount: 8, validationCount: 8, batchSize: 8, seed: 1).training(step: 1)
        == [1, 3, 6, 5, 7, 2, 4, 0])
  }

  @Test func validationTakesEveryPictureOnceAndAlwaysAlike() {
    #expect(plan.validationBatches == 2)
    #expect((plan.validation(batch: 0) + plan.validation(batch: 1)).sorted() == Array(0..<21))
    #expect(plan.validation(batch: 1).count == 1)
    #expect(plan.validation(batch: 0) == plan.validation(batch: 0))
  }

  @Test func aBatchLargerThanTheSetIsTheSet() {
    let plan = BatchPlan(trainingCount: 3, validationCount: 0, batchSize: 20, seed: 1)
    #expect(plan.batchesPerPass == 1)
    #expect(plan.training(step: 7).sorted() == [0, 1, 2])
    #expect(plan.validationBatches == 0)
  }

  /// The order of a pass is kept for its next step: whoever else asks, and for what, changes none.
  @Test func stepsMayBeAskedForInAnyOrderAndAtOnce() {
    let inOrder = (0..<30).map(plan.training)
    for step in [29, 0, 7, 29, 3, 4, 2] { #expect(plan.training(step: step) == inOrder[step]) }
    let wrong = Atomic(0)
    DispatchQueue.concurrentPerform(iterations: 4) { [plan] caller in
      for round in 0..<200 {
        let step = (round * (caller + 1)) % 30
        if plan.training(step: step) != inOrder[step] { wrong.add(1, ordering: .relaxed) }
      }
    }
    #expect(wrong.load(ordering: .relaxed) == 0)
  }
}
