import Primitives
import Testing

@Suite struct CounterRandomTests {
  @Test func drawsDependOnEveryPartOfTheKey() {
    var seen: Set<UInt64> = []
    for seed in 0..<4 as Range<UInt64> {
      for purpose in [CounterRandom.Purpose.initialWeights, .trainingOrder] {
        for a in 0..<4 as Range<UInt64> {
          for b in 0..<4 as Range<UInt64> {
            let draws = CounterRandom(seed: seed, purpose: purpose, a, b)
            for i in 0..<4 as Range<UInt64> { seen.insert(draws.bits(i)) }
          }
        }
      }
    }
    #expect(seen.count == 4 * 2 * 4 * 4 * 4)
    let draws = CounterRandom(seed: 1, purpose: .benchmark)
    let mean = (0..<10000).reduce(0.0) { $0 + draws.double(UInt64($1)) } / 10000
    #expect(abs(mean - 0.5) < 0.01)
    let order = draws.permutation(500)
    #expect(order.sorted() == Array(0..<500) && order != Array(0..<500))
  }
}
