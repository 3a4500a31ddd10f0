/// What a model says of one picture.
public struct Judgement: Sendable, Hashable {
  /// The most probable class, of equally probable ones the first.
  public let answer: Int
  /// The probability of each class.
  public let probabilities: [Double]

  /// A judgement as given; `probabilities` is not empty.
  public init(answer: Int, probabilities: [Double]) {
    (self.answer, self.probabilities) = (answer, probabilities)
  }

  /// Whether fewer than five classes are more probable than `label`, as Keras's top-5 accuracy
  /// counts it.
  public func isAmongFive(_ label: Int) -> Bool {
    let own = probabilities[label]
    return probabilities.count { $0 > own } < 5
  }
}

/// How often pictures of each class were taken for which class.
public struct Confusion: Sendable {
  /// Classes.
  public let classes: Int
  /// Of each class, how many pictures there are.
  public private(set) var pictures: [Int]
  /// Of each class, how many pictures were taken for it.
  public private(set) var answers: [Int]
  /// Pictures whose class was among the five most probable.
  public private(set) var amongFive = 0
  /// By class times `classes` plus answer; those that never occurred are not in it.
  private var counts: [Int: Int] = [:]

  /// No pictures of `classes` classes.
  public init(classes: Int) {
    self.classes = classes
    pictures = Array(repeating: 0, count: classes)
    answers = pictures
  }

  /// Counts a picture of class `label`.
  public mutating func add(_ label: Int, _ judgement: Judgement) {
    pictures[label] += 1
    answers[judgement.answer] += 1
    amongFive += judgement.isAmongFive(label) ? 1 : 0
    counts[label * classes + judgement.answer, default: 0] += 1
  }

  /// Whether a picture is of class `label`, or was taken for it.
  public func isThere(_ label: Int) -> Bool { pictures[label] + answers[label] > 0 }

  /// Pictures of class `label` that were taken for `answer`.
  public func count(of label: Int, takenFor answer: Int) -> Int {
    counts[label * classes + answer] ?? 0
  }

  /// Of the pictures that were taken for a class, the part that is of it; nil where none was.
  public func precision(_ label: Int) -> Double? { share(label, of: answers[label]) }

  /// Of a class's pictures, the part that was taken for it; nil where there are none.
  public func recall(_ label: Int) -> Double? { share(label, of: pictures[label]) }

  private func share(_ label: Int, of all: Int) -> Double? {
    all == 0 ? nil : Double(count(of: label, takenFor: label)) / Double(all)
  }

  /// What pictures of class `label` were wrongly taken for, the most frequent first.
  public func mistakes(_ label: Int) -> [(answer: Int, count: Int)] {
    (0..<classes).filter { $0 != label && counts[label * classes + $0] != nil }
      .map { (answer: $0, count: count(of: label, takenFor: $0)) }
      .sorted { ($1.count, $0.answer) < ($0.count, $1.answer) }
  }
}
