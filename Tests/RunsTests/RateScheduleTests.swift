import Coordination
import KerasFiles
import Runs
import Testing

/// Learning rates by update, and what follows from the validation of each epoch.
@Suite struct RateScheduleTests {
  private let schedule = Schedule(
    epochs: 10, stepsPerEpoch: 7, batchesPerUpdate: 2, validationBatches: 1)

  private func rates(
    reductions: Int = 0, _ change: (inout Hyperparameters) -> Void
  ) -> [Float] {
    var values = Hyperparameters()
    (values.learningRate, values.batchesPerUpdate) = (0.8, 2)
    change(&values)
    return (0..<schedule.updates).map {
      values.rate(ofUpdate: $0, schedule, reductions: reductions)
    }
  }

  @Test func `Each schedule's rates are its own`() {
    #expect(schedule.updates == 40)
    #expect(Set(rates { _ in }) == [0.8])
    let step = rates { ($0.rateSchedule, $0.decayEpochs, $0.decayFactor) = (.step, 3, 0.5) }
    #expect(step == (0..<40).map { [0.8, 0.4, 0.2, 0.1][$0 / 12] })
    let plateau = rates(reductions: 2) { $0.rateSchedule = .plateau }
    #expect(Set(plateau) == [0.2])
    let cosine = rates { $0.rateSchedule = .cosine }
    #expect(cosine[0] == 0.8 && abs(cosine[20] - 0.4) < 1e-6 && cosine[39] < 0.002)
    #expect(zip(cosine, cosine.dropFirst()).allSatisfy { $0 > $1 })
    let warm = rates { $0.warmUp = 2 }
    #expect(Array(warm[..<9]) == [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8].map { Float($0) })
    #expect(Set(warm[8...]) == [0.8])
    #expect(Set(rates { $0.rateScaling = .linear }) == [1.6])
    #expect(Set(rates { $0.rateScaling = .sqrt }) == [Float(Double(Float(0.8)) * 2.squareRoot())])
  }

  /// As Keras's callbacks do with a patience of two epochs.
  @Test func `A plateau reduces the rate, and too many epochs of it end the run`() throws {
    var values = Hyperparameters()
    (values.rateSchedule, values.decayEpochs, values.earlyStopping) = (.plateau, 2, 4)
    var progress = ValidationProgress()
    var seen: [(reductions: Int, isOver: Bool)] = []
    let losses = [0.7, 0.6, 0.59995, 0.65, 0.62, .nan, 0.61, 0.599, 0.6, 0.6, 0.6, 0.6]
    for loss in losses {
      values.take(validationLoss: loss, into: &progress)
      seen.append((progress.reductions, progress.isOver))
    }
    // The third is lower, by less than 1e-4.
    #expect(seen.map(\.reductions) == [0, 0, 0, 1, 1, 2, 2, 2, 2, 3, 3, 4])
    #expect(seen.firstIndex { $0.isOver } == 6)
    var plain = ValidationProgress()
    Hyperparameters().take(validationLoss: 1, into: &plain)
    #expect(plain == ValidationProgress())
  }

  @Test func `What changes nothing, or is longer than the run, is refused`() throws {
    func problem(_ change: (inout Hyperparameters) -> Void) throws -> String {
      var values = Hyperparameters()
      change(&values)
      let error = #expect(throws: HyperparameterError.self) { try values.validate() }
      #expect(error?.problems.count == 1)
      return error?.description ?? ""
    }
    #expect(
      try problem { $0.warmUp = 30 }
        == "--warm-up 30 is as long as the run, --epochs 30: choose fewer, or more epochs")
    #expect(
      try problem { ($0.rateSchedule, $0.decayEpochs) = (.step, 31) }
        .hasPrefix("--decay-epochs 31 is as long as"))
    #expect(try problem { $0.earlyStopping = 40 }.hasPrefix("--early-stopping 40 is as long as"))
    #expect(
      try problem { ($0.rateSchedule, $0.decayFactor) = (.cosine, 0.1) }
        == "--decay-factor is for --schedule step or plateau, not cosine")
    var values = Hyperparameters()
    #expect(throws: HyperparameterError.self) { try values.validate { $0 == \.decayEpochs } }
    values.rateSchedule = .plateau
    try values.validate { $0 == \.decayEpochs }
  }
}
