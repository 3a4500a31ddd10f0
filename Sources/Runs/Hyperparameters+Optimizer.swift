import Engine

extension Hyperparameters {
  /// The part of `table` that says how weights are made new.
  static let optimizing: [Hyperparameter] = [
    .init(
      "optimizer", \.optimizerName,
      help: "What makes new weights of gradients: "
        + OptimizerName.all.map(\.description).joined(separator: ", "), writesDefault: false),
    .init(
      "learning-rate", \.learningRate, help: "The optimizer's step size",
      defaultText: defaultRates, bounds: .positive),
    .init(
      "rho", \.rho, help: "RMSprop's decay of the second moment, the mean of squared gradients",
      bounds: .fraction),
    .init(
      "momentum", \.momentum, help: "What sgd or rmsprop keep of the step before",
      defaultText: "0", bounds: .fraction, writesDefault: false),
    .init(
      "nesterov", \.nesterov, help: "Nesterov's form of sgd's --momentum", writesDefault: false),
    .init(
      "centered", \.centered,
      help: "Divide by the gradients' deviation in rmsprop, not by the root of their squares' mean",
      writesDefault: false),
    .init(
      "beta-1", \.beta1, help: "Adam's decay of the first moment, the mean of gradients",
      bounds: .fraction, writesDefault: false),
    .init(
      "beta-2", \.beta2, help: "Adam's decay of the second moment", bounds: .fraction,
      writesDefault: false),
    .init(
      "decoupled-weight-decay", \.decoupledWeightDecay,
      help: "What adamw takes of each weight in an update, times the learning rate",
      bounds: .fraction, writesDefault: false),
    .init("epsilon", \.epsilon, help: nil, bounds: .positive),
  ]

  /// `0.0001; with sgd 0.01, ...`.
  private static var defaultRates: String {
    let own = Optimizers.standard.learningRate
    let others = Optimizers.all.map { (OptimizerName($0), $0.init().learningRate) }
      .filter { $0.1 != own }.map { "\($0.0) \($0.1)" }.joined(separator: ", ")
    return "\(own); with \(others)"
  }

  /// A setting that some optimizers have.
  private struct Setting {
    /// Keras's name.
    let kerasName: String
    /// Its entry of the table.
    let entry: PartialKeyPath<Hyperparameters>
    /// Its number.
    let value: WritableKeyPath<Hyperparameters, Float>

    init(_ kerasName: String, _ value: WritableKeyPath<Hyperparameters, Float>) {
      (self.kerasName, self.entry, self.value) = (kerasName, value, value)
    }

    init(_ kerasName: String, flag: WritableKeyPath<Hyperparameters, Bool>) {
      (self.kerasName, entry, value) = (kerasName, flag, flag.appending(path: \.number))
    }
  }

  /// All of them.
  private static var settings: [Setting] {
    [
      Setting("learning_rate", \.learningRate), Setting("rho", \.rho),
      Setting("momentum", \.momentum), Setting("nesterov", flag: \.nesterov),
      Setting("centered", flag: \.centered), Setting("beta_1", \.beta1),
      Setting("beta_2", \.beta2), Setting("weight_decay", \.decoupledWeightDecay),
      Setting("epsilon", \.epsilon),
    ]
  }

  /// The optimizer, with its settings.
  public var optimizer: any Optimizer {
    let settings = Self.settings
    let numbers = optimizerName.rule.init().values.map { name, value in
      settings.first { $0.kerasName == name }.map { self[keyPath: $0.value] } ?? value
    }
    return Optimizers.named(optimizerName.description, values: numbers) ?? Optimizers.standard
  }

  /// Makes `name` the optimizer, with the learning rate that is its default.
  public mutating func choose(_ name: OptimizerName) {
    optimizerName = name
    learningRate = name.rule.init().learningRate
  }

  /// The entry of a setting that Keras calls so; nil where it is none of these.
  public static func entry(kerasName: String) -> Hyperparameter? {
    settings.first { $0.kerasName == kerasName }.flatMap { entry($0.entry) }
  }

  /// A line for each setting that would be ignored: the optimizer has it not, or it needs another.
  ///
  /// - Parameter isGiven: whether somebody asks for a value; as a rule, whether it is not the
  ///   default.
  public func unusedSettings(
    isGiven: ((PartialKeyPath<Hyperparameters>) -> Bool)? = nil
  ) -> [String] {
    let (own, standard) = (Set(optimizer.values.map(\.kerasName)), Hyperparameters())
    var problems: [String] = Self.settings.compactMap { setting in
      let isWanted =
        isGiven?(setting.entry)
        ?? (self[keyPath: setting.value] != standard[keyPath: setting.value])
      guard isWanted, !own.contains(setting.kerasName),
        let name = Self.entry(setting.entry)?.name
      else { return nil }
      let owners = Optimizers.all.filter { $0.init().values.contains { $0.0 == setting.kerasName } }
      return "--\(name) is no setting of \(optimizerName): it needs --optimizer "
        + owners.map { OptimizerName($0).description }.joined(separator: " or ")
    }
    if nesterov, momentum == 0, own.contains("nesterov") {
      problems.append("--nesterov changes nothing without --momentum: give one, 0.9 for example")
    }
    return problems
  }
}
