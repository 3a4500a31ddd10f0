/// Stochastic gradient descent as Keras 3 computes it, with or without momentum.
///
/// With g the mean gradient: weights -= learningRate g. With momentum (B. Polyak, 1964):
/// m = momentum m - learningRate g; weights += m. After Y. Nesterov (1983), as I. Sutskever and
/// others write it (ICML 2013): weights += momentum m - learningRate g.
public struct SGD: Hashable, Sendable {
  /// Step size.
  public var learningRate: Float
  /// What is kept of the step before; 0 for none of it.
  public var momentum: Float
  /// Whether the gradient counts as if it were taken after the step that is kept.
  public var nesterov: Bool

  /// Keras's values.
  public init(learningRate: Float = 0.01, momentum: Float = 0, nesterov: Bool = false) {
    self.learningRate = learningRate
    self.momentum = momentum
    self.nesterov = nesterov
  }
}

extension SGD: Optimizer {
  /// `SGD`.
  public static let kerasClass = "SGD"
  /// `sgd`.
  public static let kerasName = "sgd"
  /// Momentum and its form.
  public static var settings: [OptimizerSetting<Self>] {
    [
      .init(kerasName: "momentum", value: \.momentum),
      .init(kerasName: "nesterov", value: \.nesterov.number, kind: .flag),
    ]
  }

  /// Keras's values.
  public init() { self.init(learningRate: 0.01) }

  /// The step, where some of it is kept.
  public var slots: [OptimizerSlot] { momentum > 0 ? Self.momentumSlots : [] }

  private static let momentumSlots: [OptimizerSlot] = [.momentum]

  /// Weights and slots of a tile, by the formulas above.
  public func update(_ tile: UpdateTile) -> Bool {
    tile.kernels.updateSGD(
      tile.operands, step: momentum > 0 ? tile.slot(0) : nil, learningRate: learningRate,
      momentum: momentum, nesterov: nesterov)
  }
}
