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
    let output = MergingOperation(rule: rule).output(of: inputs)
    for shape in inputs where shape != output && !shape.isOnePosition(of: output) {
      throw ArchitectureError("its inputs differ: \(inputs[0]) and \(inputs.last ?? shape)")
    }
    return (output, [])
  }

  package var operations: [any Operation] { [MergingOperation(rule: rule)] }
}

/// A merging with the relu that follows it.
struct MergingOperation: Operation {
  let rule: Merging.Rule
  var isRectified = false

  init(rule: Merging.Rule) { self.rule = rule }

  var passesGradient: Bool { rule == .add }

  /// The shape of the largest.
  func output(of inputs: [Shape]) -> Shape {
    inputs.dropFirst().reduce(inputs[0]) { $0.isOnePosition(of: $1) ? $1 : $0 }
  }

  func needed(of input: Shape, for output: Extent) -> Extent {
    Extent(height: min(input.height, output.height), width: min(input.width, output.width))
  }

  func absorbing(_ next: any Operation) -> (any Operation)? {
    guard !isRectified, (next as? ActivationOperation)?.activation == .relu else { return nil }
    var both = self
    both.isRectified = true
    return both
  }

  func stage(_ plan: StagePlan) -> any Stage { MergingStage(plan, self) }
}

extension Shape {
  /// Whether it is a map of one position, with another's channels, which is met by each of that
  /// one's positions.
  fileprivate func isOnePosition(of other: Shape) -> Bool {
    !isFlat && !other.isFlat && height == 1 && width == 1 && channels == other.channels
  }
}

/// Sums, means or products of maps, with the relu that follows: a job is a picture.
///
/// It goes row by row, or position by position where a map of one position meets all of another's.
final class MergingStage: Stage {
  let output: FeatureMap
  let layers: String
  let multiplyAdds = 0
  let backwardMultiplyAdds = 0

  private let inputs: [FeatureMap]
  private let wanted: [Bool]
  private let rule: Merging.Rule
  private let relu: ActivationFunction?
  /// Of each input whether its one position meets all of the output's.
  private let repeats: [Bool]
  /// A position's gradient, one a thread.
  private let scratch: [Target]

  init(_ plan: StagePlan, _ operation: MergingOperation) {
    layers = plan.layers
    (inputs, output) = (plan.inputs, plan.output)
    wanted = plan.wantsInputGradients
    rule = operation.rule
    relu = operation.isRectified ? Activation.relu.function : nil
    repeats = inputs.map { [output = plan.output] in $0.shape.extent != output.shape.extent }
    scratch = (0..<plan.threads).map { _ in plan.memory.floats(plan.output.channelStride) }
  }

  private var share: Float { rule == .average ? 1 / Float(inputs.count) : 1 }

  func forward(_ step: StepContext) {
    step.pool.run(step.batch) { picture, _ in
      forEachRun(of: picture) { row, column, count in
        let target = output.values + output.place(picture, row, column)
        var first = values(0, picture, row, column)
        for index in inputs.indices.dropFirst() {
          let own = values(index, picture, row, column)
          if rule == .multiply {
            step.kernels.multiplied(first, own, target: target, count: count)
          } else {
            step.kernels.sum(first, own, target: target, count: count)
          }
          first = Source(target)
        }
        if rule == .average {
          step.kernels.scaled(first, by: share, target: target, count: count)
        }
        guard let relu else { return }
        step.kernels.activate(relu, input: Source(target), output: target, count: count)
      }
    }
  }

  func backward(_ step: StepContext) {
    step.pool.run(step.batch) { picture, thread in
      if let relu { cutOff(picture, relu, step.kernels) }
      for (index, input) in inputs.enumerated() where wanted[index] {
        let sums = input.gradient + input.place(picture, 0, 0)
        if repeats[index] { sums.update(repeating: 0, count: input.channelStride) }
        forEachRun(of: picture) { row, column, count in
          let target =
            repeats[index] ? scratch[thread] : input.gradient + input.place(picture, row, column)
          step.kernels.scaled(
            output.gradient + output.place(picture, row, column), by: share, target: target,
            count: count)
          if rule == .multiply {
            for other in inputs.indices where other != index {
              step.kernels.multiplied(
                Source(target), values(other, picture, row, column), target: target, count: count)
            }
          }
          guard repeats[index] else { return }
          step.kernels.sum(Source(sums), target, target: sums, count: count)
        }
      }
    }
  }

  /// Leaves of the output's gradient what the relu lets through.
  private func cutOff(
    _ picture: Int, _ relu: ActivationFunction, _ kernels: any KernelOperations.Type
  ) {
    forEachRow(of: picture, output, output) { _, row, count in
      let (values, gradient) = (Source(output.values + row), output.gradient + row)
      kernels.activationGradient(
        relu, input: values, output: values, gradient: Source(gradient), target: gradient,
        count: count)
    }
  }

  /// What an input has at a position, or its only one.
  private func values(_ index: Int, _ picture: Int, _ row: Int, _ column: Int) -> Source {
    let input = inputs[index]
    let place = repeats[index] ? input.place(picture, 0, 0) : input.place(picture, row, column)
    return Source(input.values + place)
  }

  /// Calls `body` with where each run of floats begins that is computed at once, and its floats.
  private func forEachRun(
    of picture: Int, _ body: (_ row: Int, _ column: Int, _ count: Int) -> Void
  ) {
    let whole = !repeats.contains(true)
    let width = output.shape.width
    for row in 0..<output.shape.height {
      for column in stride(from: 0, to: width, by: whole ? width : 1) {
        body(row, column, (whole ? width : 1) * output.channelStride)
      }
    }
  }
}
