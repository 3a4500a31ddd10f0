import Coordination
import Testing

@Suite struct ScheduleTests {
  @Test func `Updates cover every step once and never cross an epoch`() {
    for (steps, perUpdate) in [(100, 4), (10, 3), (3, 8), (1, 1)] {
      let schedule = Schedule(
        epochs: 3, stepsPerEpoch: steps, batchesPerUpdate: perUpdate, validationBatches: 1)
      let ranges = (0..<schedule.updates).map(schedule.steps(ofUpdate:))
      #expect(ranges.flatMap { Array($0) } == Array(0..<3 * steps))
      for (update, range) in ranges.enumerated() {
        #expect(range.count <= perUpdate)
        #expect(range.lowerBound / steps == schedule.epoch(ofUpdate: update))
        #expect((range.upperBound - 1) / steps == schedule.epoch(ofUpdate: update))
        #expect(schedule.endsEpoch(update) == (range.upperBound % steps == 0))
      }
    }
  }

  @Test func `The book's epoch with four batches an update has 25 updates`() {
    let schedule = Schedule(
      epochs: 30, stepsPerEpoch: 100, batchesPerUpdate: 4, validationBatches: 50)
    #expect(schedule.updatesPerEpoch == 25)
    #expect(schedule.steps(ofUpdate: 26) == 104..<108)
  }
}
