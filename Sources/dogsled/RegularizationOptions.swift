import ArgumentParser
import Runs

extension ClassWeights: ExpressibleByArgument {}

/// The options of the hyper-parameters that work against overfitting.
struct RegularizationOptions: ParsableArguments {
  @Option(\.dropout, valueName: "fraction") var dropout: Float?
  @Option(\.weightDecay, valueName: "l2") var weightDecay: Float?
  @Option(\.labelSmoothing, valueName: "fraction") var labelSmoothing: Float?
  @Option(\.classWeights, valueName: "weights") var classWeights: ClassWeights?

  /// What was given.
  var given: [GivenValue] {
    [
      GivenValue(\.dropout, dropout), GivenValue(\.weightDecay, weightDecay),
      GivenValue(\.labelSmoothing, labelSmoothing), GivenValue(\.classWeights, classWeights),
    ].compactMap { $0 }
  }
}

extension Hyperparameters {
  /// What works against overfitting, for the lines that a run begins with; empty for nothing.
  var regularizationSummary: String {
    var parts: [String] = []
    if dropout > 0 { parts.append("dropout \(dropout)") }
    if weightDecay > 0 { parts.append("weight decay \(weightDecay)") }
    if labelSmoothing > 0 { parts.append("label smoothing \(labelSmoothing)") }
    if classWeights != .equal { parts.append("class weights \(classWeights)") }
    return parts.joined(separator: ", ")
  }
}
