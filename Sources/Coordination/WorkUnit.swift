/// What a worker is given to compute as one.
public enum WorkUnit: Hashable, Sendable, Comparable, CustomStringConvertible {
  /// The gradients of some consecutive steps of one update, counted over the run; where they are
  /// several, a node of the tree in which the update is summed.
  case steps(Range<Int>)
  /// A validation batch.
  case validation(Int)

  /// The gradient of one step.
  public static func step(_ step: Int) -> WorkUnit { .steps(step..<step + 1) }

  /// `step 12`, `steps 12 to 15`, `validation batch 3`.
  public var description: String {
    switch self {
    case .steps(let steps) where steps.count == 1: "step \(steps.lowerBound)"
    case .steps(let steps): "steps \(steps.lowerBound) to \(steps.upperBound - 1)"
    case .validation(let batch): "validation batch \(batch)"
    }
  }

  /// Steps come before validation batches, each in their order.
  public static func < (a: WorkUnit, b: WorkUnit) -> Bool {
    switch (a, b) {
    case (.steps(let a), .steps(let b)): (a.lowerBound, a.count) < (b.lowerBound, b.count)
    case (.validation(let a), .validation(let b)): a < b
    case (.steps, .validation): true
    case (.validation, .steps): false
    }
  }
}

extension WorkUnit {
  /// The first step of a gradient, counted over the run; nil for a validation batch.
  package var step: Int? {
    if case .steps(let steps) = self { steps.lowerBound } else { nil }
  }

  /// Batches that are computed.
  package var batches: Int {
    if case .steps(let steps) = self { steps.count } else { 1 }
  }
}

extension Range<Int> {
  /// The steps of an update, cut into units of so many; the last one may have fewer.
  func units(of count: Int) -> [WorkUnit] {
    stride(from: lowerBound, to: upperBound, by: count).map {
      .steps($0..<Swift.min($0 + count, upperBound))
    }
  }
}
