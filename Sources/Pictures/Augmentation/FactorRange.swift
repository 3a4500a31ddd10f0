import Primitives

/// A range that factors are drawn from, uniformly: Keras's `zoom_range` and `brightness_range`.
public enum FactorRange: Hashable, Sendable {
  /// From 1 - the number to 1 + the number.
  case around(Float)
  /// From the first to the second.
  case between(Float, Float)

  /// The largest factor that may be asked for.
  public static let most: Float = 10
  /// What is asked for, as it follows "must be".
  public static let rule =
    "at least 0 and below 1, or two factors above 0 and up to 10, the smaller first, like 0.8,1.2"

  /// The least factor.
  var lower: Double {
    switch self {
    case .around(let spread): 1 - Double(spread)
    case .between(let lower, _): Double(lower)
    }
  }

  /// The largest factor.
  var upper: Double {
    switch self {
    case .around(let spread): 1 + Double(spread)
    case .between(_, let upper): Double(upper)
    }
  }

  /// Whether no other factor than 1 is in it.
  public var isOne: Bool { lower == 1 && upper == 1 }

  /// Whether it is as `rule` says.
  public var isValid: Bool {
    switch self {
    case .around(let spread): spread >= 0 && spread < 1
    case .between(let lower, let upper): lower > 0 && lower <= upper && upper <= Self.most
    }
  }
}

extension FactorRange: CodedAsText {
  /// From `0.2`, or from `0.8,1.2`; nil for anything else.
  ///
  /// The numbers may be wrong: see `isValid`.
  public init?(_ description: String) {
    let words = description.split(separator: ",", omittingEmptySubsequences: false)
    let numbers = words.compactMap { Float($0) }
    guard numbers.count == words.count else { return nil }
    switch numbers.count {
    case 1: self = .around(numbers[0])
    case 2: self = .between(numbers[0], numbers[1])
    default: return nil
    }
  }

  /// `0.2` or `0.8,1.2`.
  public var description: String {
    switch self {
    case .around(let spread): "\(spread)"
    case .between(let lower, let upper): "\(lower),\(upper)"
    }
  }
}
