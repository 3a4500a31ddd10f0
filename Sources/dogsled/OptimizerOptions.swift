import ArgumentParser
import Engine
import Runs

extension OptimizerName: ExpressibleByArgument {
  /// From a name.
  public init?(argument: String) { self.init(argument) }
  /// All names, for the help and for shells.
  public static var allValueStrings: [String] { all.map(\.description) }
}

/// The options of the hyper-parameters that say how weights are made new.
struct OptimizerOptions: ParsableArguments {
  @Option(\.optimizerName, valueName: "name") var optimizer: OptimizerName?
  @Option(\.learningRate) var learningRate: Float?
  @Option(\.rho) var rho: Float?
  @Option(\.momentum, valueName: "fraction") var momentum: Float?
  @Flag(\.nesterov) var nesterov: Bool?
  @Flag(\.centered) var centered: Bool?
  @Option(\.beta1, valueName: "fraction") var beta1: Float?
  @Option(\.beta2, valueName: "fraction") var beta2: Float?
  @Option(\.decoupledWeightDecay, valueName: "fraction") var decoupledWeightDecay: Float?

  /// What was given.
  var given: [GivenValue] {
    [
      GivenValue(\.optimizerName, optimizer), GivenValue(\.learningRate, learningRate),
      GivenValue(\.rho, rho), GivenValue(\.momentum, momentum), GivenValue(\.nesterov, nesterov),
      GivenValue(\.centered, centered), GivenValue(\.beta1, beta1), GivenValue(\.beta2, beta2),
      GivenValue(\.decoupledWeightDecay, decoupledWeightDecay),
    ].compactMap { $0 }
  }

  /// `base` with the learning rate that belongs to `--optimizer`, where that is another one.
  func preset(over base: Hyperparameters) -> Hyperparameters {
    var values = base
    if let optimizer, optimizer != base.optimizerName { values.choose(optimizer) }
    return values
  }
}

extension Optimizer {
  /// Its name and settings, for the lines that a run begins with.
  var summary: String {
    let flags = Self.flags
    let settings = values.compactMap { name, value -> String? in
      guard let entry = Hyperparameters.entry(kerasName: name), entry.help != nil else {
        return nil
      }
      let words = entry.name.replacing("-", with: " ")
      guard flags.contains(name) else { return "\(words) \(value)" }
      return value == 0 ? nil : words
    }
    return "\(OptimizerName(Self.self)), " + settings.joined(separator: ", ")
  }
}
