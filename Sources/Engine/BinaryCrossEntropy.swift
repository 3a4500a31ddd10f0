/// The cross-entropy of two classes, whose head is one sigmoid: the probability of class 1.
///
/// It takes the sigmoid's logit z, so that neither a logarithm nor a quotient loses digits. The
/// target y of a picture is its label, 0 or 1.
struct BinaryCrossEntropy: Loss {
  static let name = "binary cross-entropy"
  static let kerasName = "binary_crossentropy"
  static let kerasClass = "BinaryCrossentropy"
  static let kerasAliases = ["bce"]
  static let head = "Dense(1, activation=\"sigmoid\")"

  init?(units: Int, activation: Activation) {
    guard units == 1, activation == .sigmoid else { return nil }
  }

  var classes: Int { 2 }

  func picture(
    logits: UnsafePointer<Float>, label: Int, gradient: UnsafeMutablePointer<Float>?
  ) -> (loss: Double, isCorrect: Bool) {
    let logit = logits[0]
    let (loss, derivative) = binaryCrossEntropy(logit: logit, label: Float(label))
    gradient?[0] = derivative
    return (loss, answer(logits: logits) == label)
  }

  func answer(logits: UnsafePointer<Float>) -> Int { logits[0] > 0 ? 1 : 0 }

  func probabilities(logits: UnsafePointer<Float>) -> [Double] {
    // As a `Float`: what Keras gives, and what has the same digits wherever it is printed.
    let second = Double(Float(sigmoid(Double(logits[0]))))
    return [1 - second, second]
  }
}

/// The loss of one picture and its derivative.
/// - Returns: the loss max(z, 0) - z y + log(1 + exp(-|z|)), and its derivative sigmoid(z) - y.
package func binaryCrossEntropy(logit: Float, label: Float) -> (loss: Double, derivative: Float) {
  let (z, y) = (Double(logit), Double(label))
  let small = exponential(-z.magnitude)
  return (max(z, 0) - z * y + logarithm(1 + small), Float(sigmoid(z) - y))
}
