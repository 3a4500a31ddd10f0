/// Adam as Keras 3 computes it.
///
/// After D. Kingma and J. Ba, arXiv:1412.6980, in the form before its section 2.1; with g the mean
/// gradient, t the number of the update, m and v the first and second moment:
/// m += (g - m) (1 - beta1); v += (g^2 - v) (1 - beta2);
/// weights -= m a / (sqrt(v) + epsilon), a = learningRate sqrt(1 - beta2^t) / (1 - beta1^t).
public struct Adam: Hashable, Sendable {
  /// Step size.
  public var learningRate: Float
  /// Decay of the first moment, the running mean of gradients.
  public var beta1: Float
  /// Decay of the second moment, the running mean of squared gradients.
  public var beta2: Float
  /// Added after the square root.
  public var epsilon: Float

  /// Keras's values.
  public init(
    learningRate: Float = 1e-3, beta1: Float = 0.9, beta2: Float = 0.999, epsilon: Float = 1e-7
  ) {
    self.learningRate = learningRate
    self.beta1 = beta1
    self.beta2 = beta2
    self.epsilon = epsilon
  }

  /// - Parameter decay: what the weights lose of themselves before the step.
  fileprivate func update(_ tile: UpdateTile, decay: (rate: Float, strength: Float)?) -> Bool {
    let (first, second) = (power(beta1, tile.update), power(beta2, tile.update))
    return tile.kernels.updateAdam(
      tile.operands, firstMoment: tile.slot(0), secondMoment: tile.slot(1),
      step: learningRate * (1 - second).squareRoot() / (1 - first),
      complements: (complement(beta1), complement(beta2)), epsilon: epsilon, decay: decay)
  }
}

/// x to the n-th, n at least 1, as products of doubles: the same for equal n, however a run came
/// there.
private func power(_ x: Float, _ n: Int) -> Float {
  var (result, square, rest) = (1.0, Double(x), n)
  while rest > 0 {
    if rest & 1 == 1 { result *= square }
    square *= square
    rest >>= 1
  }
  return Float(result)
}

extension Adam: Optimizer {
  /// `Adam`.
  public static let kerasClass = "Adam"
  /// `adam`.
  public static let kerasName = "adam"
  /// A tensor's two moments stand side by side.
  public static let interleavesSlots = true
  /// The two decays and epsilon.
  public static var settings: [OptimizerSetting<Self>] {
    [
      .init(kerasName: "beta_1", value: \.beta1), .init(kerasName: "beta_2", value: \.beta2),
      .init(kerasName: "epsilon", value: \.epsilon, kind: .fixed),
    ]
  }
  /// The variant that keeps the largest second moment.
  public static let kerasSwitches = ["amsgrad"]

  /// Keras's values.
  public init() { self.init(learningRate: 1e-3) }

  /// The two moments.
  public var slots: [OptimizerSlot] { Self.moments }

  private static let moments: [OptimizerSlot] = [.momentum, .velocity]

  /// Weights and slots of a tile, by the formula above.
  public func update(_ tile: UpdateTile) -> Bool { update(tile, decay: nil) }
}

/// Adam with weights that decay on their own, as Keras 3 computes it.
///
/// After I. Loshchilov and F. Hutter, arXiv:1711.05101: before Adam's step, and not by way of its
/// moments, weights -= weights decay learningRate. As in Keras, biases decay too.
public struct AdamW: Hashable, Sendable {
  /// All but the decay.
  private var adam: Adam
  /// What a weight loses of itself in an update, times the learning rate.
  public var decay: Float

  /// Keras's values.
  public init(
    learningRate: Float = 1e-3, beta1: Float = 0.9, beta2: Float = 0.999, epsilon: Float = 1e-7,
    decay: Float = 0.004
  ) {
    adam = Adam(learningRate: learningRate, beta1: beta1, beta2: beta2, epsilon: epsilon)
    self.decay = decay
  }
}

extension AdamW: Optimizer {
  /// `AdamW`.
  public static let kerasClass = "AdamW"
  /// `adam_w`.
  public static let kerasName = "adam_w"
  /// As Adam.
  public static let interleavesSlots = true
  /// Adam's and the decay.
  public static var settings: [OptimizerSetting<Self>] {
    [
      .init(kerasName: "beta_1", value: \.adam.beta1),
      .init(kerasName: "beta_2", value: \.adam.beta2),
      .init(kerasName: "epsilon", value: \.adam.epsilon, kind: .fixed),
      .init(kerasName: "weight_decay", value: \.decay),
    ]
  }
  /// As Adam.
  public static let kerasSwitches = Adam.kerasSwitches

  /// Keras's values.
  public init() { self.init(learningRate: 1e-3) }

  /// Adam's step size, and what the decay is scaled by.
  public var learningRate: Float {
    get { adam.learningRate }
    set { adam.learningRate = newValue }
  }

  /// Adam's.
  public var slots: [OptimizerSlot] { adam.slots }

  /// Weights and slots of a tile, by the formulas above.
  public func update(_ tile: UpdateTile) -> Bool {
    adam.update(tile, decay: decay > 0 ? (learningRate, decay) : nil)
  }
}
