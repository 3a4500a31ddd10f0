import Engine
import Primitives
import Wire

/// The update under way, as it goes to workers that make it themselves: the factors and the batch
/// statistics of each step as they come, of all else the sums over the steps, each once it has come
/// of all.
struct OutgoingUpdate {
  /// The weights that it is applied to.
  let version: WeightsVersion
  /// All that was sent so far, for those who join.
  private(set) var sent: [Part] = []

  /// A step's gradient as far as it is known.
  private struct Step {
    /// Where its numbers are: of the worker of whom the first of them came.
    var gradient: StepGradient?
    /// By part, of what was taken.
    var digests: [Digest?]
  }

  private let firstStep: Int
  private let parts: [GradientPart]
  private let sums: ParameterBuffer
  private var steps: [Step]
  /// By part, the steps of which it has not come.
  private var missing: [Int]

  /// Nothing of the update has come.
  /// - Parameter sums: memory in the gradients' layout.
  init(
    _ steps: Range<Int>, version: WeightsVersion, parts: [GradientPart], sums: ParameterBuffer
  ) {
    self.version = version
    self.parts = parts
    self.sums = sums
    firstStep = steps.lowerBound
    self.steps = steps.map { _ in Step(digests: parts.map { _ in nil }) }
    missing = parts.map { _ in steps.count }
  }

  /// Whether some of a unit's parts that were taken are others than those that came.
  func contradicts(_ incoming: IncomingGradient) -> Bool {
    zip(incoming.steps, incoming.digests).contains { step, digests in
      zip(steps[step - firstStep].digests, digests).contains { taken, digest in
        taken.map { $0 != digest } == true
      }
    }
  }

  /// Takes a part of a gradient, where it has not come before.
  ///
  /// - Parameters:
  ///   - step: the one that it belongs to; where it is a sum over a unit, the first.
  ///   - bytesPerSecond: of the links that the result is for; nil where it is not known.
  /// - Returns: what is to be sent now.
  mutating func take(
    _ index: Int, of step: Int, _ incoming: IncomingGradient, using updater: Updater,
    bytesPerSecond: Double?
  ) -> Part? {
    let (place, own) = (step - firstStep, step - incoming.steps.lowerBound)
    guard steps[place].digests[index] == nil, let digest = incoming.digests[own][index] else {
      return nil
    }
    steps[place].digests[index] = digest
    let part = parts[index]
    missing[index] -= part.isPerStep ? 1 : incoming.steps.count
    let gradient = incoming.gradients[own]
    if let present = steps[place].gradient {
      // Where another worker was lost, or both compute it: one buffer a step is enough.
      if present.buffer !== gradient.buffer {
        present.buffer.copy(part.floats, from: gradient.buffer)
      }
    } else {
      steps[place].gradient = gradient
    }
    if let factor = incoming.factors[own][index] {
      sent.append(factor)
      return factor
    }
    guard missing[index] == 0 else { return nil }
    // One of each unit: all others are in it.
    let summed = steps.filter { $0.digests[index] != nil }.compactMap(\.gradient)
    updater.sum(part.floats, of: summed, into: sums)
    let sum = Part(
      .sum, version: version, index: index,
      floats: UnsafeBufferPointer(rebasing: sums.buffer[part.floats]),
      bytesPerSecond: bytesPerSecond)
    sent.append(sum)
    return sum
  }
}
