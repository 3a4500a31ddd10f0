import Engine

extension Hyperparameters {
  /// The part of `table` that keeps a network from learning its pictures by heart.
  static let regularization: [Hyperparameter] = [
    .init(
      "dropout", \.dropout,
      help:
        "Drop this fraction of what reaches the classifier, the first dense layer, in each step",
      defaultText: "0", bounds: .fraction, writesDefault: false),
    .init(
      "weight-decay", \.weightDecay,
      help: "Add the squares of all kernels' weights, times this, to the loss (L2)",
      defaultText: "0", bounds: .fraction, writesDefault: false),
    .init(
      "label-smoothing", \.labelSmoothing,
      help: "Spread this fraction of each picture's label over all classes", defaultText: "0",
      bounds: .fraction, writesDefault: false),
    .init(
      "class-weights", \.classWeights,
      help: "What a training picture's loss counts: balanced, by the counts of the classes, or "
        + "numbers, as cats=1,dogs=2.5",
      defaultText: "equal", bounds: .init(description: ClassWeights.rule) { $0.isValid },
      writesDefault: false),
  ]

  /// `model` with the dropout and the weight decay that are asked for.
  /// - Throws: `ArchitectureError` where it has some of its own.
  public func regularized(_ model: Architecture) throws -> Architecture {
    let decayed = try decayed(model)
    return dropout > 0 ? try decayed.addingDropout(dropout) : decayed
  }

  /// `model` with the weight decay that is asked for.
  /// - Throws: `ArchitectureError` where it has some of its own.
  public func decayed(_ model: Architecture) throws -> Architecture {
    weightDecay > 0 ? try model.addingDecay(weightDecay) : model
  }
}
