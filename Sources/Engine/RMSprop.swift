/// RMSprop as the book's Keras, version 2.2, computes it.
///
/// After G. Hinton, Neural Networks for Machine Learning, lecture 6.5; with g the mean gradient,
/// v the second moment: v = rho v + (1 - rho) g^2; weights -= learningRate g / (sqrt(v) + epsilon).
/// Keras 3 has epsilon inside the root.
public struct RMSprop: Hashable, Sendable {
  /// Step size.
  public var learningRate: Float
  /// Decay of the second moment, the running mean of squared gradients.
  public var rho: Float
  /// Added after the square root.
  public var epsilon: Float

  /// The book's values.
  public init(learningRate: Float = 1e-4, rho: Float = 0.9, epsilon: Float = 1e-7) {
    self.learningRate = learningRate
    self.rho = rho
    self.epsilon = epsilon
  }
}

extension RMSprop: Optimizer {
  /// `RMSprop`.
  public static let kerasClass = "RMSprop"
  /// `rm_sprop`.
  public static let kerasName = "rm_sprop"
  /// The second moment.
  public static let slots = [OptimizerSlot(kerasName: "velocity")]
  /// Decay and epsilon.
  public static var settings: [OptimizerSetting<Self>] {
    [
      .init(kerasName: "rho", value: \.rho),
      .init(kerasName: "epsilon", value: \.epsilon, isFixed: true),
    ]
  }
  /// Neither momentum nor the centred form.
  public static let kerasConstants: [String: OptimizerConstant] = [
    "momentum": .zero, "centered": .off,
  ]

  /// The book's values.
  public init() { self.init(learningRate: 1e-4) }

  /// Weights and second moments of a tile, by the formula above.
  public func update(_ tile: UpdateTile) -> Bool {
    tile.kernels.updateRMSprop(
      weights: tile.weights, secondMoment: tile.slot(0), gradient: tile.gradientSum,
      count: tile.count, scale: tile.scale, learningRate: learningRate, rho: rho, epsilon: epsilon)
  }
}
