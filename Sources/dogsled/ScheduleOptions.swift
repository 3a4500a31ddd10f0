import ArgumentParser
import Runs

extension RateSchedule: ExpressibleByArgument {}

extension RateScaling: ExpressibleByArgument {}

extension BestMeasure: ExpressibleByArgument {}

/// The options of the hyper-parameters that say how the learning rate changes, when a run ends,
/// and which of its epochs is kept.
struct ScheduleOptions: ParsableArguments {
  @Option(\.rateSchedule, valueName: "name") var schedule: RateSchedule?
  @Option(\.decayEpochs, valueName: "epochs") var decayEpochs: Int?
  @Option(\.decayFactor, valueName: "fraction") var decayFactor: Float?
  @Option(\.warmUp, valueName: "epochs") var warmUp: Int?
  @Option(\.rateScaling, valueName: "how") var scaleRate: RateScaling?
  @Option(\.earlyStopping, valueName: "epochs") var earlyStopping: Int?
  @Option(\.best, valueName: "measure") var best: BestMeasure?

  /// What was given.
  var given: [GivenValue] {
    [
      GivenValue(\.rateSchedule, schedule), GivenValue(\.decayEpochs, decayEpochs),
      GivenValue(\.decayFactor, decayFactor), GivenValue(\.warmUp, warmUp),
      GivenValue(\.rateScaling, scaleRate), GivenValue(\.earlyStopping, earlyStopping),
      GivenValue(\.best, best),
    ].compactMap { $0 }
  }
}

extension Hyperparameters {
  /// How the learning rate changes, for the lines that a run begins with; empty for not at all.
  var scheduleSummary: String {
    var parts: [String] = []
    switch rateSchedule {
    case .constant: break
    case .cosine: parts.append("cosine")
    case .step: parts.append("times \(decayFactor) after every \(decayEpochs) epochs")
    case .plateau:
      parts.append("times \(decayFactor) where validation stalls \(decayEpochs) epochs")
    }
    if warmUp > 0 { parts.append("warm-up of \(counted(warmUp, "epoch"))") }
    if earlyStopping > 0 { parts.append("early stopping after \(earlyStopping)") }
    return parts.joined(separator: ", ")
  }
}
