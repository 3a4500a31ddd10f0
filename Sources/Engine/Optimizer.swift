import KernelInterface

/// A rule that makes new weights from a gradient: a value that holds the rule's settings.
///
/// A new optimizer is one file, with a type that conforms, and one line in `Optimizers.all`.
public protocol Optimizer: Hashable, Sendable {
  /// Keras's name of the class, `RMSprop`.
  static var kerasClass: String { get }
  /// Keras's name of an instance, `rm_sprop`; names of slots in a file begin with it.
  static var kerasName: String { get }
  /// Whether a file has the slots of a tensor side by side, and not one slot of all tensors after
  /// the other.
  static var interleavesSlots: Bool { get }
  /// Its settings beside the learning rate.
  static var settings: [OptimizerSetting<Self>] { get }
  /// What Keras's class of this name can switch on and Dogsled has not, by Keras's names.
  static var kerasSwitches: [String] { get }

  /// The default settings.
  init()
  /// Step size.
  var learningRate: Float { get set }
  /// What it remembers between updates: for each slot one number a weight, zero at the start.
  var slots: [OptimizerSlot] { get }
  /// Updates the weights of a tile, and their slots.
  ///
  /// - Returns: whether all of them are finite numbers now.
  func update(_ tile: UpdateTile) -> Bool
}

/// The optimizers that there are.
public enum Optimizers {
  /// One line for each.
  public static let all: [any Optimizer.Type] = [
    RMSprop.self, SGD.self, Adam.self, AdamW.self,
  ]

  /// What a model is trained with that names none.
  public static let standard: any Optimizer = RMSprop()

  /// The one that Keras calls so, whatever the case of the letters; nil where there is none.
  public static func named(_ kerasClass: some StringProtocol) -> (any Optimizer.Type)? {
    all.first { $0.kerasClass.lowercased() == kerasClass.lowercased() }
  }

  /// The one that Keras calls so, with the values of its `numbers` in their order; nil where there
  /// is none, or it has another count of them.
  public static func named(_ kerasClass: String, values: [Float]) -> (any Optimizer)? {
    named(kerasClass).flatMap { make($0, values) }
  }

  private static func make<Rule: Optimizer>(_ rule: Rule.Type, _ values: [Float]) -> Rule? {
    guard Rule.numbers.count == values.count else { return nil }
    var optimizer = Rule()
    for (number, value) in zip(Rule.numbers, values) { optimizer[keyPath: number.value] = value }
    return optimizer
  }
}

/// One number for each weight that an optimizer remembers between updates.
public struct OptimizerSlot: Hashable, Sendable {
  /// Its name in files: `velocity`.
  public let kerasName: String

  /// The mean of the gradients, or the step that is carried on.
  static let momentum = OptimizerSlot(kerasName: "momentum")
  /// The mean of their squares.
  static let velocity = OptimizerSlot(kerasName: "velocity")
  /// The mean of the gradients, for the variance.
  static let averageGradient = OptimizerSlot(kerasName: "average_gradient")
}

/// A number that an optimizer's rule depends on.
public struct OptimizerSetting<Owner: Optimizer> {
  /// What is done with the number.
  public enum Kind: Hashable, Sendable {
    /// Anybody may set it.
    case free
    /// Dogsled trains with the default alone.
    case fixed
    /// It is 0 or 1: Keras writes it as false or true.
    case flag
  }

  /// Keras's name.
  public let kerasName: String
  /// Where the optimizer has it.
  public let value: WritableKeyPath<Owner, Float>
  /// Who sets it, and to what.
  public let kind: Kind

  /// A setting of this name.
  public init(kerasName: String, value: WritableKeyPath<Owner, Float>, kind: Kind = .free) {
    (self.kerasName, self.value, self.kind) = (kerasName, value, kind)
  }
}

extension Optimizer {
  /// One slot after the other.
  public static var interleavesSlots: Bool { false }
  /// Nothing.
  public static var kerasSwitches: [String] { [] }

  /// The learning rate and the settings, by Keras's names.
  public static var numbers: [OptimizerSetting<Self>] {
    [OptimizerSetting(kerasName: "learning_rate", value: \.learningRate)] + settings
  }

  /// The values of `numbers`.
  public var values: [(kerasName: String, value: Float)] {
    Self.numbers.map { ($0.kerasName, self[keyPath: $0.value]) }
  }

  /// The names of `numbers` that are 0 or 1.
  public static var flags: Set<String> {
    Set(numbers.filter { $0.kind == .flag }.map(\.kerasName))
  }
}

extension Bool {
  /// 1 for true, 0 for false; what is set counts as true where it is not 0.
  package var number: Float {
    get { self ? 1 : 0 }
    set { self = newValue != 0 }
  }
}

/// 1 - x, for the decimal that `x` stands for.
///
/// Keras takes 1 - 0.999 in doubles; of the float 0.999 the difference would be wrong by 1e-5 of
/// itself. Seven digits are what a float near 1 has.
func complement(_ x: Float) -> Float { Float(1 - (Double(x) * 1e7).rounded() / 1e7) }

/// A run of neighbouring weights, a multiple of 16, that an optimizer updates at once.
public struct UpdateTile {
  /// The weights, and the sum of the gradients that they are updated by.
  let operands: UpdateOperands
  /// How often the weights were updated before, and 1.
  let update: Int
  let kernels: any KernelOperations.Type
  private let state: ModelState
  private let first: Int

  init(
    of state: ModelState, first: Int, count: Int, gradientSum: Source, scale: Float,
    rule: UpdateRule, kernels: any KernelOperations.Type
  ) {
    operands = UpdateOperands(
      weights: state.weights.floats + first, gradient: gradientSum, count: count, scale: scale,
      decay: 2 * rule.decay)
    update = state.updates - rule.frozenUpdates
    self.state = state
    self.first = first
    self.kernels = kernels
  }

  /// The numbers of a slot, counted from 0.
  func slot(_ index: Int) -> Target { state.slots[index].floats + first }
}
