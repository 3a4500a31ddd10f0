import KernelInterface

/// Keras's layers that make one map of several equal ones: `Add`, `Multiply`, `Average`.
package struct Merging: Layer {
  /// What becomes of the numbers in one place.
  package enum Rule: String, CaseIterable, Hashable, Sendable {
    case add, multiply, average
  }

  package var kerasName: String { rule.rawValue }
  package static let inputCounts = 2...1000
  /// What becomes of the numbers in one place.
  package var rule: Rule

  package init(_ rule: Rule) { self.rule = rule }

  package func applied(
    to inputs: [Shape], name: String
  ) throws -> (output: Shape, tensors: [ParameterLayout.Tensor]) {
    for shape in inputs.dropFirst() where shape != inputs[0] {
      throw ArchitectureError("its inputs differ: \(inputs[0]) and \(shape)")
    }
    return (inputs[0], [])
  }

  package var operations: [any Operation] { [MergingOperation(rule: rule)] }
}

struct MergingOperation: Operation {
  let rule: Merging.Rule

  func output(of inputs: [Shape]) -> Shape { inputs[0] }
  func needed(of input: Shape, for output: Extent) -> Extent { output }
  func stage(_ plan: StagePlan) -> any Stage { MergingStage(plan, rule) }
}

/// Sums, means or products of maps: a job is a picture.
final class MergingStage: Stage {
  let output: FeatureMap
  let layers: String
  let multiplyAdds = 0
  let backwardMultiplyAdds = 0

  private let inputs: [FeatureMap]
  private let wanted: [Bool]
  private let rule: Merging.Rule

  init(_ plan: StagePlan, _ rule: Merging.Rule) {
    layers = plan.layers
    (inputs, output) = (plan.inputs, plan.output)
    wanted = plan.wantsInputGradients
    self.rule = rule
  }

  private var share: Float { rule == .average ? 1 / Float(inputs.count) : 1 }

  func forward(_ step: StepContext) {
    step.pool.run(step.batch) { picture, _ in
      for (index, input) in inputs.enumerated() {
        forEachRow(of: picture, input, output) { read, write, count in
          let (own, target) = (Source(input.values + read), output.values + write)
          switch (rule, index) {
          case (_, 0): target.update(from: own, count: count)
          case (.multiply, _):
            step.kernels.multiplied(
              Source(target), own, target: target, adding: false, count: count)
          default: step.kernels.sum(Source(target), own, target: target, count: count)
          }
        }
      }
      guard rule == .average else { return }
      forEachRow(of: picture, output, output) { place, _, count in
        let target = output.values + place
        step.kernels.scaled(Source(target), by: share, target: target, count: count)
      }
    }
  }

  func backward(_ step: StepContext) {
    step.pool.run(step.batch) { picture, _ in
      for (index, input) in inputs.enumerated() where wanted[index] {
        forEachRow(of: picture, input, output) { place, write, count in
          let target = input.gradient + place
          step.kernels.scaled(output.gradient + write, by: share, target: target, count: count)
        }
        guard rule == .multiply else { continue }
        for (place, other) in inputs.enumerated() where place != index {
          forEachRow(of: picture, input, other) { own, read, count in
            let target = input.gradient + own
            step.kernels.multiplied(
              Source(target), other.values + read, target: target, adding: false, count: count)
          }
        }
      }
    }
  }
}
