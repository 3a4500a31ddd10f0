import Engine
import Testing

/// What an evaluation counts of each class.
@Suite struct ConfusionTests {
  private func judgement(_ probabilities: [Double]) -> Judgement {
    Judgement(
      answer: probabilities.firstIndex(of: probabilities.max() ?? 0) ?? 0,
      probabilities: probabilities)
  }

  @Test func eachClassIsCounted() {
    var confusion = Confusion(classes: 4)
    for (label, answer) in [(0, 0), (0, 0), (0, 1), (0, 2), (0, 2), (1, 1), (1, 0), (2, 2)] {
      confusion.add(label, judgement((0..<4).map { $0 == answer ? 0.7 : 0.1 }))
    }
    #expect(confusion.pictures == [5, 2, 1, 0] && confusion.answers == [3, 2, 3, 0])
    #expect(confusion.precision(0) == 2.0 / 3 && confusion.recall(0) == 2.0 / 5)
    #expect(confusion.precision(2) == 1.0 / 3 && confusion.recall(2) == 1)
    // Of nothing there is no part.
    #expect(confusion.precision(3) == nil && confusion.recall(3) == nil)
    #expect(confusion.mistakes(0).map(\.answer) == [2, 1])
    #expect(confusion.mistakes(0).map(\.count) == [2, 1] && confusion.mistakes(2).isEmpty)
    #expect(confusion.count(of: 0, takenFor: 2) == 2 && confusion.count(of: 3, takenFor: 0) == 0)
    #expect(confusion.amongFive == 8)
  }

  @Test func theFiveMostProbable() {
    let probabilities = [0.3, 0.2, 0.15, 0.1, 0.09, 0.08, 0.08]
    #expect(
      (0..<7).map { judgement(probabilities).isAmongFive($0) } == [
        true, true, true, true, true, false, false,
      ])
    // Equal ones count as Keras counts them.
    #expect(judgement(Array(repeating: 0.1, count: 10)).isAmongFive(9))
  }
}
