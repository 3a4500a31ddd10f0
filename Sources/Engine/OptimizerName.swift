import Primitives

/// Which optimizer: Keras's name of its class in small letters, `rmsprop`.
public struct OptimizerName: Hashable, Sendable, CodedAsText {
  /// As it is written.
  public let description: String

  /// The name of `rule`.
  public init(_ rule: any Optimizer.Type) { description = rule.kerasClass.lowercased() }

  /// The optimizer that is called so, whatever the case of the letters; nil where there is none.
  public init?(_ description: String) {
    guard let rule = Optimizers.named(description) else { return nil }
    self.init(rule)
  }

  /// The optimizer itself.
  public var rule: any Optimizer.Type {
    Optimizers.named(description) ?? type(of: Optimizers.standard)
  }

  /// All names.
  public static var all: [OptimizerName] { Optimizers.all.map { OptimizerName($0) } }
}
