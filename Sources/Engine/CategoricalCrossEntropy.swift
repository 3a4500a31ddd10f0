/// The cross-entropy of any number of classes, whose head is one softmax: a probability for each.
///
/// It takes the softmax's logits z, so that neither a logarithm nor a quotient loses digits: with
/// the largest of them m and s = the sum of exp(z - m) in the order of the classes, the loss of a
/// picture of class y is log s - (z[y] - m), and its derivative by z[i] is exp(z[i] - m) / s, less
/// 1 where i is y.
struct CategoricalCrossEntropy: Loss {
  static let name = "categorical cross-entropy"
  static let kerasName = "categorical_crossentropy"
  static let kerasClass = "CategoricalCrossentropy"
  static let kerasAliases = ["sparse_categorical_crossentropy", "SparseCategoricalCrossentropy"]
  static let head = "Dense(classes, activation=\"softmax\")"

  let classes: Int

  init?(units: Int, activation: Activation) {
    guard units > 1, activation == .softmax else { return nil }
    classes = units
  }

  func picture(
    logits: UnsafePointer<Float>, label: Int, gradient: UnsafeMutablePointer<Float>?
  ) -> (loss: Double, isCorrect: Bool) {
    let (best, sum) = scale(logits)
    let largest = Double(logits[best])
    if let gradient {
      for i in 0..<classes {
        let probability = exponential(Double(logits[i]) - largest) / sum
        gradient[i] = Float(i == label ? probability - 1 : probability)
      }
    }
    return (logarithm(sum) - (Double(logits[label]) - largest), best == label)
  }

  func answer(logits: UnsafePointer<Float>) -> Int { largest(logits) }

  func probabilities(logits: UnsafePointer<Float>) -> [Double] {
    let (best, sum) = scale(logits)
    // As `Float`s: what Keras gives, and what has the same digits wherever it is printed.
    return (0..<classes).map {
      Double(Float(exponential(Double(logits[$0]) - Double(logits[best])) / sum))
    }
  }

  /// The first of the largest logits.
  private func largest(_ logits: UnsafePointer<Float>) -> Int {
    var best = 0
    for i in 1..<classes where logits[i] > logits[best] { best = i }
    return best
  }

  /// The first of the largest logits, and the sum of exp of what each is more than that; the sum
  /// is NaN where a logit is NaN, or the largest is infinite.
  private func scale(_ logits: UnsafePointer<Float>) -> (best: Int, sum: Double) {
    let best = largest(logits)
    var sum = 0.0
    for i in 0..<classes { sum += exponential(Double(logits[i]) - Double(logits[best])) }
    return (best, sum)
  }
}
