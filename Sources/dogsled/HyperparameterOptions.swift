import ArgumentParser
import Engine
import Pictures
import Runs

/// The options of the hyper-parameters: one for each entry of `Hyperparameters.table` with a help.
///
/// Values that were not given are nil: a run that goes on has its own.
struct HyperparameterOptions: ParsableArguments {
  @Option(\.epochs) var epochs: Int?
  @Option(\.stepsPerEpoch) var stepsPerEpoch: Int?
  @Option(\.batchSize) var batchSize: Int?
  @Option(\.validationSteps) var validationSteps: Int?
  @OptionGroup var optimizer: OptimizerOptions
  @OptionGroup var schedule: ScheduleOptions
  @OptionGroup var regularization: RegularizationOptions
  @Option(\.seed) var seed: UInt64?
  @Option(\.batchesPerUpdate, valueName: "u") var batchesPerUpdate: Int?
  @Option(\.interpolation) var interpolation: Interpolation?
  @Option(\.decode) var decode: PictureSettings.Decoding?
  @OptionGroup var augmentation: AugmentationOptions

  /// What was given: how each sets its value.
  private var given: [GivenValue] {
    [
      GivenValue(\.epochs, epochs), GivenValue(\.stepsPerEpoch, stepsPerEpoch),
      GivenValue(\.batchSize, batchSize), GivenValue(\.validationSteps, validationSteps),
      GivenValue(\.seed, seed),
      GivenValue(\.batchesPerUpdate, batchesPerUpdate), GivenValue(\.interpolation, interpolation),
      GivenValue(\.decode, decode),
    ].compactMap { $0 } + optimizer.given + schedule.given + regularization.given
      + augmentation.given
  }

  /// `base` with the values that were given.
  func over(_ base: Hyperparameters) -> Hyperparameters {
    given.reduce(into: optimizer.preset(over: augmentation.preset(over: base))) {
      values, option in option.set(&values)
    }
  }

  /// Whether a value was given.
  func gives(_ value: PartialKeyPath<Hyperparameters>) -> Bool {
    given.contains { $0.value == value }
  }

  /// Checks what was given for a run that begins anew.
  /// - Throws: `ValidationError` where a value is wrong, or would be ignored.
  func check() throws {
    do {
      try over(Hyperparameters()).validate(isGiven: gives)
    } catch {
      throw ValidationError("\(error)")
    }
  }
}

/// How an option that was given sets its value.
struct GivenValue {
  let value: PartialKeyPath<Hyperparameters>
  let set: (inout Hyperparameters) -> Void

  /// Nil where the option was not given.
  init?<Value>(_ value: WritableKeyPath<Hyperparameters, Value>, _ given: Value?) {
    guard let given else { return nil }
    self.value = value
    set = { $0[keyPath: value] = given }
  }
}

extension Option {
  /// The option of a hyper-parameter: its name and its help are the table's.
  init<Argument: ExpressibleByArgument>(
    _ value: KeyPath<Hyperparameters, Argument>, valueName: String? = nil
  ) where Value == Argument? {
    guard let entry = Hyperparameters.entry(value), let help = entry.help else {
      preconditionFailure("no hyper-parameter with an option: \(value)")
    }
    self.init(
      name: .customLong(entry.name), parsing: .unconditional,
      help: ArgumentHelp("\(help) (default: \(entry.defaultText)).", valueName: valueName))
  }
}

extension Flag {
  /// The flag of a hyper-parameter, and its opposite: its name and its help are the table's.
  init(_ value: KeyPath<Hyperparameters, Bool>) where Value == Bool? {
    guard let entry = Hyperparameters.entry(value), let help = entry.help else {
      preconditionFailure("no hyper-parameter with an option: \(value)")
    }
    self.init(
      name: .customLong(entry.name), inversion: .prefixedNo,
      help: "\(help) (default: \(entry.defaultText)).")
  }
}
