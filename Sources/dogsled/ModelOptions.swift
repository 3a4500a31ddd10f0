import ArgumentParser
import Engine
import Foundation
import KerasFiles
import Runs

/// Which model is trained, and from which weights on.
struct ModelOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "A model: an .h5 or .keras file, whose weights training begins with, a run's folder, or "
        + "Keras's JSON; the default is the book's network.", valueName: "file"),
    completion: .file(extensions: NamedModel.extensions))
  var model: String?

  @OptionGroup var new: NewNetworkOptions

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "The numbers that --model's network is fed, as 0..255 or -1..1; the default is what its file "
        + "says, or its first layer, else 0..1.", valueName: "low..high"))
  var inputRange: InputRange?

  @Flag(help: "Begin with new weights, not with those of --model's file.")
  var fresh = false

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Cut --model off behind this layer, and put a classifier for the data's classes on it: the "
        + "mean of each channel, --dropout, a dense layer. The layer's name, or -3 for the third "
        + "from the end.", valueName: "layer"))
  var head: String?

  @OptionGroup var layers: LayerOptions

  func validate() throws {
    for (name, isGiven) in [
      ("--fresh", fresh), ("--head", head != nil), ("--freeze", layers.freeze != nil),
      ("--unfreeze-at", layers.unfreezeAt != nil), ("--input-range", inputRange != nil),
    ] where isGiven && model == nil {
      throw ValidationError("\(name) needs --model: a new network has nothing of the kind")
    }
    try new.refuse(beside: model)
  }

  /// What training begins with.
  struct Start {
    let architecture: Architecture
    /// Nil for new ones.
    let weights: ParameterBuffer?
    /// What a file says of training.
    let keras: KerasModel?
  }

  /// Reads what is named, cuts and freezes it.
  /// - Parameters:
  ///   - classes: of the data.
  ///   - weights: a file whose weights are taken instead of the model's own.
  ///   - namesOptimizer: whether the hyper-parameters' optimizer was asked for.
  /// - Throws: one clear line.
  func start(
    classes: Int, weights file: String?, _ hyperparameters: Hyperparameters,
    namesOptimizer: Bool
  ) throws -> Start {
    guard let model else {
      let network = try new.architecture(classes: classes)
      return Start(
        architecture: try trained(
          hyperparameters.regularized(network), hyperparameters,
          kept: Set(network.layers.map(\.name)), models: [:]),
        weights: nil, keras: nil)
    }
    let path = try NamedModel.file(model, choice: .best)
    let (keras, weights) = try read(path, file)
    let asked = namesOptimizer ? type(of: hyperparameters.optimizer).kerasClass : nil
    try keras.checkTraining(path, drawsWeights: weights == nil, optimizer: asked)
    var architecture = keras.architecture
    if let inputRange { architecture = try architecture.feeding(inputRange) }
    var kept = Set(architecture.layers.map(\.name))
    do {
      if let head {
        let layer = try self.layer(head, in: architecture)
        kept = architecture.layers(upTo: layer)
        architecture = try architecture.replacingHead(
          after: layer, classes: classes, dropout: hyperparameters.dropout)
        architecture = try hyperparameters.decayed(architecture)
      } else {
        architecture = try hyperparameters.regularized(architecture)
      }
      architecture = try trained(
        architecture, hyperparameters, kept: kept, models: keras.innerModels)
    } catch let error as ArchitectureError {
      throw Failure("\(path): \(error)")
    }
    if weights == nil, architecture.parameters.tensors.contains(where: \.isFrozen) {
      log(
        "\(path): frozen layers keep the weights that they begin with, which are new: nothing has "
          + "trained them (--weights FILE takes a file's)")
    }
    return Start(
      architecture: architecture,
      weights: weights.map { own in
        let weights = ParameterBuffer(architecture.parameters)
        weights.initialize(seed: hyperparameters.seed)
        weights.take(from: own, layers: kept)
        return weights
      }, keras: keras)
  }

  private func trained(
    _ architecture: Architecture, _ hyperparameters: Hyperparameters, kept: Set<String>,
    models: [String: Set<String>]
  ) throws -> Architecture {
    try layers.applied(
      to: architecture, kept: kept, models: models, epochs: hyperparameters.epochs,
      updatesPerEpoch: hyperparameters.updatesPerEpoch)
  }

  /// Whether any of them is given.
  var isGiven: Bool { model != nil || new.isGiven || layers.layerRates != nil }

  private func read(
    _ path: String, _ weights: String?
  ) throws -> (KerasModel, ParameterBuffer?) {
    if fresh || weights == nil && path.hasSuffix(".json") {
      return (try KerasConfiguration.model(inFile: path), nil)
    }
    let file = try NamedModel.readFinite(path, weights: weights)
    return (file.keras, file.state.weights)
  }

  /// The layer that `--head` names.
  private func layer(_ name: String, in model: Architecture) throws -> String {
    let names = model.layers.map(\.name)
    if names.contains(name) { return name }
    if let place = Int(name), (1...names.count).contains(-place) {
      return names[names.count + place]
    }
    throw ArchitectureError(
      "--head \(name): no layer is called so; the last ones are "
        + names.suffix(5).joined(separator: ", "))
  }
}

extension InputRange: ExpressibleByArgument {
  /// From `0..255`.
  public init?(argument: String) {
    let ends = argument.components(separatedBy: "..").map(Float.init)
    guard ends.count == 2, let low = ends[0], let high = ends[1], low < high, low.isFinite,
      high.isFinite
    else { return nil }
    self.init(low: low, high: high)
  }
}
