/// Keras's `Reshape`: the same numbers in the same order, in another shape.
package struct Reshape: Layer {
  package var kerasName: String { "reshape" }
  /// One number for a flat layer, three for a map; one of them may be -1: what is left.
  package var target: [Int]

  package init(_ target: [Int]) { self.target = target }

  package func applied(
    to inputs: [Shape], name: String
  ) throws -> (output: Shape, tensors: [ParameterLayout.Tensor]) {
    guard let shape = ReshapeOperation(target: target).shape(of: inputs[0]) else {
      throw ArchitectureError(
        "the shape \(target) for \(inputs[0].count) numbers: it must have one number or three, and "
          + "as many in all")
    }
    return (shape, [])
  }

  package var operations: [any Operation] { [ReshapeOperation(target: target)] }
}

struct ReshapeOperation: Operation {
  let target: [Int]

  /// Nil where it has not as many numbers.
  func shape(of input: Shape) -> Shape? {
    guard [1, 3].contains(target.count), target.allSatisfy({ $0 > 0 || $0 == -1 }),
      target.count(where: { $0 == -1 }) <= 1
    else { return nil }
    var known = 1
    for size in target where size > 0 {
      let (product, isTooLarge) = known.multipliedReportingOverflow(by: size)
      guard !isTooLarge else { return nil }
      known = product
    }
    let sizes = target.map { $0 > 0 ? $0 : input.count / known }
    guard sizes.reduce(1, { $0 &* $1 }) == input.count else { return nil }
    guard sizes.count == 3 else { return Shape(units: sizes[0]) }
    return Shape(height: sizes[0], width: sizes[1], channels: sizes[2])
  }

  func output(of inputs: [Shape]) -> Shape { shape(of: inputs[0]) ?? inputs[0] }
  func stage(_ plan: StagePlan) -> any Stage { ReshapeStage(plan) }
}

/// Copies number by number: a job is a picture.
final class ReshapeStage: Stage {
  let output: FeatureMap
  let layers: String
  let multiplyAdds = 0
  let backwardMultiplyAdds = 0

  private let input: FeatureMap

  init(_ plan: StagePlan) {
    layers = plan.layers
    (input, output) = (plan.input, plan.output)
  }

  func forward(_ step: StepContext) {
    forEachNumber(step) { read, write in output.values[write] = input.values[read] }
  }

  func backward(_ step: StepContext) {
    forEachNumber(step) { read, write in input.gradient[read] = output.gradient[write] }
  }

  private func forEachNumber(_ step: StepContext, _ body: (_ read: Int, _ write: Int) -> Void) {
    step.pool.run(step.batch) { picture, _ in
      for number in 0..<input.shape.count {
        body(input.place(picture, number: number), output.place(picture, number: number))
      }
    }
  }
}

extension FeatureMap {
  /// Where the number stands that is at `number` of a picture's [height][width][channels].
  fileprivate func place(_ picture: Int, number: Int) -> Int {
    let (position, channel) = number.quotientAndRemainder(dividingBy: shape.channels)
    let (row, column) = position.quotientAndRemainder(dividingBy: shape.width)
    return place(picture, row, column) + channel
  }
}
