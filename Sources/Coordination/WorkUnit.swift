/// One batch for a worker to compute.
public enum WorkUnit: Hashable, Sendable, Comparable, CustomStringConvertible {
  /// The gradient of a step, counted over the run.
  case step(Int)
  /// A validation batch.
  case validation(Int)

  /// `step 12`, `validation batch 3`.
  public var description: String {
    switch self {
    case .step(let step): "step \(step)"
    case .validation(let batch): "validation batch \(batch)"
    }
  }
}

extension WorkUnit {
  /// The global step of a gradient; nil for a validation batch.
  package var step: Int? {
    if case .step(let step) = self { step } else { nil }
  }
}
