import KernelInterface

/// A rule that makes new weights from a gradient: a value that holds the rule's settings.
///
/// A new optimizer is one file, with a type that conforms, and one line in `Optimizers.all`.
public protocol Optimizer: Hashable, Sendable {
  /// Keras's name of the class, `RMSprop`.
  static var kerasClass: String { get }
  /// Keras's name of an instance, `rm_sprop`; names of slots in a file begin with it.
  static var kerasName: String { get }
  /// What it remembers between updates: for each slot one number a weight, zero at the start.
  static var slots: [OptimizerSlot] { get }
  /// Its settings beside the learning rate.
  static var settings: [OptimizerSetting<Self>] { get }
  /// What Keras's class of this name has and Dogsled does not, by Keras's names: each has one
  /// value.
  static var kerasConstants: [String: OptimizerConstant] { get }

  /// The default settings.
  init()
  /// Step size.
  var learningRate: Float { get set }
  /// Updates the weights of a tile, and their slots.
  ///
  /// - Returns: whether all of them are finite numbers now.
  func update(_ tile: UpdateTile) -> Bool
}

/// The optimizers that there are.
public enum Optimizers {
  /// One line for each.
  public static let all: [any Optimizer.Type] = [RMSprop.self]

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
}

/// A number that an optimizer's rule depends on.
public struct OptimizerSetting<Owner: Optimizer> {
  /// Keras's name.
  public let kerasName: String
  /// Where the optimizer has it.
  public let value: WritableKeyPath<Owner, Float>
  /// Whether Dogsled trains with the default alone.
  public let isFixed: Bool

  /// A setting of this name.
  public init(kerasName: String, value: WritableKeyPath<Owner, Float>, isFixed: Bool = false) {
    (self.kerasName, self.value, self.isFixed) = (kerasName, value, isFixed)
  }
}

/// The one value that Dogsled has for an argument of Keras's.
public enum OptimizerConstant: Hashable, Sendable {
  /// Zero: what it scales is left out.
  case zero
  /// False: what it switches is left out.
  case off
}

extension Optimizer {
  /// The learning rate and the settings, by Keras's names.
  public static var numbers: [OptimizerSetting<Self>] {
    [OptimizerSetting(kerasName: "learning_rate", value: \.learningRate)] + settings
  }

  /// The values of `numbers`.
  public var values: [(kerasName: String, value: Float)] {
    Self.numbers.map { ($0.kerasName, self[keyPath: $0.value]) }
  }
}

/// A run of neighbouring weights, a multiple of 16, that an optimizer updates at once.
public struct UpdateTile {
  /// The gradient of the sum of the losses, for these weights alone.
  let gradientSum: Source
  /// Floats.
  let count: Int
  /// What makes the mean gradient of the sum: 1 / pictures.
  let scale: Float
  let kernels: any KernelOperations.Type
  private let state: ModelState
  private let first: Int

  init(
    of state: ModelState, first: Int, count: Int, gradientSum: Source, scale: Float,
    kernels: any KernelOperations.Type
  ) {
    self.state = state
    self.first = first
    self.count = count
    self.gradientSum = gradientSum
    self.scale = scale
    self.kernels = kernels
  }

  /// The weights.
  var weights: Target { state.weights.floats + first }

  /// The numbers of a slot, counted from 0.
  func slot(_ index: Int) -> Target { state.slots[index].floats + first }
}
