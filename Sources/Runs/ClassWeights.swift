import Primitives

/// What the losses of each class's training pictures count, beside 1.
public enum ClassWeights: Hashable, Sendable {
  /// All the same.
  case equal
  /// By the counts, so that each class counts as much as another.
  case balanced
  /// By the names of classes; those that are not named count 1.
  case named([String: Float])

  /// Of each class, in the order of `classes`; empty where all count 1.
  /// - Parameter counts: training pictures of each class.
  /// - Throws: `HyperparameterError` naming a class that there is not.
  public func weights(classes: [String], counts: [Int]) throws -> [Float] {
    switch self {
    case .equal: return []
    case .balanced:
      let total = Float(counts.reduce(0, +))
      return counts.map { total / Float(counts.count * max($0, 1)) }
    case .named(let weights):
      if let unknown = weights.keys.sorted().first(where: { !classes.contains($0) }) {
        throw HyperparameterError(problems: [
          "--class-weights names \(unknown), which is no class: the classes are "
            + classes.joined(separator: ", ")
        ])
      }
      return classes.map { weights[$0] ?? 1 }
    }
  }

  /// Whether every weight is a number above 0.
  var isValid: Bool {
    guard case .named(let weights) = self else { return true }
    return !weights.isEmpty && weights.values.allSatisfy { $0 > 0 && $0.isFinite }
  }

  /// What `isValid` asks for.
  static let rule = "balanced, or numbers above 0 by class, as cats=1,dogs=2.5"
}

extension ClassWeights: CodedAsText {
  /// From `equal`, `balanced` or `cats=1,dogs=2.5`; nil for anything else.
  public init?(_ description: String) {
    switch description {
    case "equal": self = .equal
    case "balanced": self = .balanced
    default:
      var weights: [String: Float] = [:]
      for part in description.split(separator: ",", omittingEmptySubsequences: false) {
        guard let sign = part.lastIndex(of: "="), sign > part.startIndex,
          let weight = Float(part[part.index(after: sign)...]),
          weights.updateValue(weight, forKey: String(part[..<sign])) == nil
        else { return nil }
      }
      self = .named(weights)
    }
  }

  /// As it is written, classes in order.
  public var description: String {
    switch self {
    case .equal: "equal"
    case .balanced: "balanced"
    case .named(let weights):
      weights.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: ",")
    }
  }
}
