import Engine
import Primitives
import Wire

/// The update under way, as it goes to workers that make it themselves: the factors of each step as
/// they come, of all else the sums over the steps, each once it has come of all.
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

  /// Whether some of a step's parts that were taken are others than those with these digests.
  func contradicts(_ digests: [Digest?], step: Int) -> Bool {
    zip(steps[step - firstStep].digests, digests).contains { taken, digest in
      taken.map { $0 != digest } == true
    }
  }

  /// Takes a part of a step's gradient, where it has not come before.
  ///
  /// - Parameters:
  ///   - factor: the part as it came, where it belongs to a factor.
  ///   - bytesPerSecond: of the links that the result is for; nil where it is not known.
  /// - Returns: what is to be sent now.
  mutating func take(
    _ index: Int, of gradient: StepGradient, _ digest: Digest, step: Int, factor: Part?,
    using updater: Updater, bytesPerSecond: Double?
  ) -> Part? {
    let place = step - firstStep
    guard steps[place].digests[index] == nil else { return nil }
    steps[place].digests[index] = digest
    missing[index] -= 1
    let floats = parts[index].floats
    if let own = steps[place].gradient {
      // Where another worker was lost, or both compute it: one buffer a step is enough.
      if own.buffer !== gradient.buffer { own.buffer.copy(floats, from: gradient.buffer) }
    } else {
      steps[place].gradient = gradient
    }
    if let factor {
      sent.append(factor)
      return factor
    }
    guard missing[index] == 0 else { return nil }
    updater.sum(floats, of: steps.compactMap(\.gradient), into: sums)
    let part = Part(
      .sum, version: version, index: index,
      floats: UnsafeBufferPointer(rebasing: sums.buffer[floats]), bytesPerSecond: bytesPerSecond)
    sent.append(part)
    return part
  }
}
