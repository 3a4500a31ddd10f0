// What of a model file Dogsled takes, argument by argument.

import Engine

/// A model as a file of Keras's describes it.
public struct KerasModel: Sendable {
  /// What is computed.
  public let architecture: Architecture
  /// What would change the result of training it.
  public let untaken: [Untaken]
  /// What the model is compiled with; nil where that is no optimizer of Dogsled's.
  public let optimizer: (any Optimizer)?
  /// What its loss spreads of each label over all classes.
  public let labelSmoothing: Float

  /// How the file has the layers, where models are in the model; nil where none is.
  let stored: [StoredLayer]?

  /// Something that Keras trains by and Dogsled does not.
  public struct Untaken: Hashable, Sendable {
    /// The layer's name; nil for the model and for what it is compiled with.
    public let layer: String?
    /// The argument's name.
    public let argument: String
    /// One line: what it is, and what Dogsled has.
    public let description: String
    /// The class of the optimizer that it is a setting of, or is itself; nil for all else.
    public internal(set) var optimizer: String?
    /// Whether Keras's `evaluate` gives another loss because of it.
    public var changesLoss: Bool { argument.hasSuffix("regularizer") || argument == "loss" }
  }

  /// Refuses a model that Keras would train otherwise.
  /// - Parameters:
  ///   - path: the file, as the error names it.
  ///   - drawsWeights: whether training begins with new weights.
  ///   - optimizer: the class of the one that was asked for instead of the file's; nil for none.
  /// - Throws: `ModelFileError` naming the first argument that Dogsled does not take.
  public func checkTraining(
    _ path: String, drawsWeights: Bool, optimizer: String? = nil
  ) throws {
    let first = untaken.first { untaken in
      // Whoever asks for another optimizer wants none of the file's settings.
      if let optimizer, let own = untaken.optimizer, own != optimizer { return false }
      return drawsWeights || !untaken.argument.hasSuffix("_initializer")
    }
    guard let first else { return }
    let instead = first.optimizer == nil ? "" : ", or name another one with --optimizer"
    throw ModelFileError(
      "\(path): \(first.description): change that in Keras and save the model again\(instead)")
  }

  /// Of each model in the model the names here of its layers.
  public var innerModels: [String: Set<String>] {
    var models: [String: Set<String>] = [:]
    func add(_ layers: [StoredLayer]) {
      for layer in layers {
        guard case .model(_, let inner) = layer.content else { continue }
        models[layer.name, default: []].formUnion(layer.leaves)
        add(inner)
      }
    }
    add(stored ?? [])
    return models
  }
}

/// Looks at every argument of a model and collects what only training minds.
struct KerasArgumentCheck {
  private(set) var untaken: [KerasModel.Untaken] = []
  /// What the loss spreads of each label over all classes.
  private(set) var labelSmoothing: Float = 0

  /// Checks all arguments of one object.
  ///
  /// - Parameters:
  ///   - owner: as the error names it.
  ///   - layer: the layer's name, where it is one's.
  ///   - inTraining: whether the object matters to training alone.
  /// - Throws: `KerasConfigurationError` for an argument that is unknown, or that changes
  ///   what is computed.
  mutating func check(
    _ arguments: JSON, of owner: String, layer: String? = nil,
    against known: [String: KerasArgument], inTraining: Bool = false
  ) throws {
    guard let arguments = arguments.object else {
      throw KerasConfigurationError(
        "\(owner) is \(arguments.shown), where arguments by name belong")
    }
    for (name, value) in arguments.sorted(by: { $0.key < $1.key }) {
      guard let argument = known[name] else {
        let line =
          "\(owner) has the argument \(JSON.string(name).shown), which Dogsled does not know: it "
          + "may change the result"
        guard inTraining else { throw KerasConfigurationError(line) }
        untaken.append(.init(layer: layer, argument: name, description: line))
        continue
      }
      guard !argument.accepts(value) else { continue }
      guard argument.role == .refusedInTraining else {
        let known = argument.known.isEmpty ? "none" : "only \(argument.known)"
        throw KerasConfigurationError("\(owner): \(name) is \(value.shown); Dogsled has \(known)")
      }
      refuseInTraining(owner, layer: layer, name, value, argument.known)
    }
  }

  /// Notes an argument that training minds.
  mutating func refuseInTraining(
    _ owner: String, layer: String? = nil, _ name: String, _ value: JSON, _ known: String
  ) {
    let own = known.isEmpty ? "without" : "only with \(known)"
    untaken.append(
      .init(
        layer: layer, argument: name,
        description: "\(owner): \(name) is \(value.shown); Dogsled trains \(own)"))
  }

  /// Checks what a model is compiled with.
  ///
  /// - Parameters:
  ///   - owner: the attribute that it stands in.
  ///   - loss: that of the model's last layer.
  /// - Returns: the optimizer with its settings; nil for one that Dogsled has not, or none.
  mutating func compiled(
    _ compiled: JSON, _ owner: String, loss: any Loss.Type
  ) throws -> (any Optimizer)? {
    try check(compiled, of: owner, against: KerasArgument.compiled(loss), inTraining: true)
    let smoothing = compiled["loss"].map(KerasArgument.smoothing) ?? 0
    labelSmoothing = (0..<1).contains(smoothing) ? smoothing : 0
    guard let setting = compiled["optimizer_config"] ?? compiled["optimizer"] else { return nil }
    // tf.keras may write `Custom>RMSprop`.
    let kind = (setting.string ?? setting["class_name"]?.string)?.split(separator: ">").last
    let before = untaken.count
    defer {
      for index in before..<untaken.count { untaken[index].optimizer = String(kind ?? "") }
    }
    guard let kind, let rule = Optimizers.named(kind) else {
      let known = Optimizers.all.map { $0.kerasClass }.joined(separator: ", ")
      refuseInTraining(owner, "optimizer", setting["class_name"] ?? setting, known)
      return nil
    }
    guard let config = setting["config"] else {
      // The name alone stands for Keras's defaults; RMSprop's are not the book's.
      return type(of: Optimizers.standard) == rule ? nil : rule.init()
    }
    return try optimizer(rule, config, "\(owner): \(rule.kerasClass)")
  }

  /// An optimizer with its settings; those that are no numbers are refused in training.
  private mutating func optimizer<Rule: Optimizer>(
    _ rule: Rule.Type, _ config: JSON, _ owner: String
  ) throws -> any Optimizer {
    let known = KerasArgument.optimizers[rule.kerasClass] ?? [:]
    try check(config, of: owner, against: known, inTraining: true)
    var optimizer = Rule()
    // Keras 2's name comes first: where both are there, Keras 3's counts.
    let old = OptimizerSetting(kerasName: "lr", value: \Rule.learningRate)
    for setting in [old] + Rule.numbers {
      guard let value = config[setting.kerasName] else { continue }
      let isFlag = setting.kind == .flag
      if let number = isFlag ? value.bool.map({ $0 ? 1 : 0 }) : value.number {
        optimizer[keyPath: setting.value] = Float(number)
      } else {
        refuseInTraining(owner, setting.kerasName, value, isFlag ? "true, false" : "numbers")
      }
    }
    return optimizer
  }
}
