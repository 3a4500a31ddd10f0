/// What training makes small, and what a model's outputs mean: a value.
///
/// A new loss is one file, with a type that conforms, and one line in `Losses.all`.
public protocol Loss: Sendable {
  /// In words: `binary cross-entropy`.
  static var name: String { get }
  /// Keras's name of the function, `binary_crossentropy`.
  static var kerasName: String { get }
  /// Keras's name of the class, `BinaryCrossentropy`.
  static var kerasClass: String { get }
  /// What else Keras calls a loss of the same value: `bce`, or the names of the loss that takes
  /// labels instead of a target for each class.
  static var kerasAliases: [String] { get }
  /// The last layer that it wants, as Keras writes it.
  static var head: String { get }

  /// The loss of a model that ends in some units with an activation; nil where that is another's.
  init?(units: Int, activation: Activation)
  /// Classes that the model tells apart; their labels count from 0.
  var classes: Int { get }
  /// The loss of one picture, and whether its class is the most probable one.
  ///
  /// - Parameters:
  ///   - logits: the last layer's sums for the picture, before its activation.
  ///   - label: the picture's class.
  ///   - gradient: takes the loss's derivative by each of the logits; nil where it is not wanted.
  func picture(
    logits: UnsafePointer<Float>, label: Int, gradient: UnsafeMutablePointer<Float>?
  ) -> (loss: Double, isCorrect: Bool)
  /// The most probable class, of equally probable ones the first.
  func answer(logits: UnsafePointer<Float>) -> Int
  /// The probability of each class, from the last layer's sums for one picture.
  func probabilities(logits: UnsafePointer<Float>) -> [Double]
}

/// The losses that there are.
public enum Losses {
  /// One line for each.
  public static let all: [any Loss.Type] = [
    BinaryCrossEntropy.self, CategoricalCrossEntropy.self,
  ]

  /// The loss of a model that ends in so many units with an activation; nil where there is none.
  package static func fitting(units: Int, activation: Activation) -> (any Loss)? {
    for type in all {
      if let loss = type.init(units: units, activation: activation) { return loss }
    }
    return nil
  }
}
