/// RMSprop as the book's Keras, version 2.2, computes it; with momentum or centred, which that
/// version has not, as Keras 3 does.
///
/// After G. Hinton, Neural Networks for Machine Learning, lecture 6.5; with g the mean gradient,
/// v the second moment: v = rho v + (1 - rho) g^2; weights -= learningRate g / (sqrt(v) + epsilon).
/// Keras 3 has epsilon inside the root: d = learningRate g / sqrt(v + epsilon), or, centred, with
/// a the mean of the gradients: a = rho a + (1 - rho) g;
/// d = learningRate g / sqrt(v - a^2 + epsilon). With momentum: m = momentum m + d; weights -= m.
public struct RMSprop: Hashable, Sendable {
  /// Step size.
  public var learningRate: Float
  /// Decay of the second moment, the running mean of squared gradients.
  public var rho: Float
  /// Added after the square root; with momentum or centred within it.
  public var epsilon: Float
  /// What is kept of the step before; 0 for none of it.
  public var momentum: Float
  /// Whether gradients are divided by their deviation, and not by the root of their squares' mean.
  public var centered: Bool

  /// The book's values.
  public init(
    learningRate: Float = 1e-4, rho: Float = 0.9, epsilon: Float = 1e-7, momentum: Float = 0,
    centered: Bool = false
  ) {
    self.learningRate = learningRate
    self.rho = rho
    self.epsilon = epsilon
    self.momentum = momentum
    self.centered = centered
  }
}

extension RMSprop: Optimizer {
  /// `RMSprop`.
  public static let kerasClass = "RMSprop"
  /// `rm_sprop`.
  public static let kerasName = "rm_sprop"
  /// Decay, momentum, epsilon and the centred form.
  public static var settings: [OptimizerSetting<Self>] {
    [
      .init(kerasName: "rho", value: \.rho),
      .init(kerasName: "momentum", value: \.momentum),
      .init(kerasName: "epsilon", value: \.epsilon, kind: .fixed),
      .init(kerasName: "centered", value: \.centered.number, kind: .flag),
    ]
  }

  /// The book's values.
  public init() { self.init(learningRate: 1e-4) }

  /// The second moment; with momentum the step, centred the mean gradient.
  public var slots: [OptimizerSlot] {
    switch (momentum > 0, centered) {
    case (false, false): Self.plainSlots
    case (true, false): Self.momentumSlots
    case (false, true): Self.centeredSlots
    case (true, true): Self.allSlots
    }
  }

  // An update asks for them: nothing is allocated then.
  private static let plainSlots: [OptimizerSlot] = [.velocity]
  private static let momentumSlots: [OptimizerSlot] = [.velocity, .momentum]
  private static let centeredSlots: [OptimizerSlot] = [.velocity, .averageGradient]
  private static let allSlots: [OptimizerSlot] = [.velocity, .momentum, .averageGradient]

  /// Weights and slots of a tile, by the formulas above.
  public func update(_ tile: UpdateTile) -> Bool {
    guard momentum > 0 || centered else {
      return tile.kernels.updateRMSprop(
        tile.operands, secondMoment: tile.slot(0), learningRate: learningRate, rho: rho,
        epsilon: epsilon)
    }
    return tile.kernels.updateRMSprop(
      tile.operands, secondMoment: tile.slot(0), step: momentum > 0 ? tile.slot(1) : nil,
      average: centered ? tile.slot(momentum > 0 ? 2 : 1) : nil, learningRate: learningRate,
      rho: rho, complement: complement(rho), momentum: momentum, epsilon: epsilon)
  }
}
