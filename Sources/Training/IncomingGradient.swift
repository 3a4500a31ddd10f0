import Coordination
import Engine
import Primitives
import Wire

/// The gradients of a unit's steps, as their parts come from one worker.
///
/// Where there are several steps, what is not per step (`GradientPart.isPerStep`) comes summed over
/// them, in the first one's memory.
package struct IncomingGradient {
  /// The steps, counted over the run.
  package let steps: Range<Int>
  /// The weights that they are computed with.
  package let version: WeightsVersion
  /// Their numbers, as far as they are there, step by step.
  package let gradients: [StepGradient]
  /// Step by step the digest of each part that is there.
  package private(set) var digests: [[Digest?]]
  /// Those of the parts that others are sent as they are, where they are there, step by step.
  package private(set) var factors: [[Int: Part]]
  private var missing: Int

  /// - Parameter gradients: what the numbers are written to.
  package init(
    first step: Int, version: WeightsVersion, gradients: [StepGradient], parts: [GradientPart]
  ) {
    steps = step..<step + gradients.count
    (self.version, self.gradients) = (version, gradients)
    digests = gradients.map { _ in parts.map { _ in nil } }
    factors = gradients.map { _ in [:] }
    missing = parts.reduce(0) { $0 + ($1.isPerStep ? gradients.count : 1) }
  }

  /// Takes a part of a step's gradient.
  /// - Throws: `AnswerFault` where there is no such part, it was there, or it is damaged.
  package mutating func take(
    _ part: Part, of step: Int, _ parts: [GradientPart]
  ) throws(AnswerFault) {
    let place = step - steps.lowerBound
    guard gradients.indices.contains(place), parts.indices.contains(part.index),
      parts[part.index].isPerStep || place == 0, digests[place][part.index] == nil
    else {
      throw .damaged("it sent part \(part.index) of its gradient of step \(step) out of turn")
    }
    let floats = parts[part.index].floats
    do throws(WireError) {
      try part.decode(
        into: UnsafeMutableBufferPointer(
          rebasing: gradients[place].buffer.buffer[floats]))
    } catch {
      throw .damaged("its gradient of step \(step): \(error)")
    }
    digests[place][part.index] = part.digest
    if parts[part.index].isPerStep { factors[place][part.index] = part }
    missing -= 1
  }

  /// Checks that all of it is there, and that it is what its sender says.
  /// - Throws: `AnswerFault`, also where it is not finite although its losses are.
  package func check(
    _ header: GradientHeader, _ parts: [GradientPart]
  ) throws(AnswerFault) {
    let unit = WorkUnit(header)
    guard missing == 0, Digest(of: digests.joined().compactMap { $0 }) == header.digest else {
      throw .damaged("the digest of its gradient of \(unit) is not the one it names")
    }
    // A worker says so itself, by its loss.
    guard isFinite(parts) || !header.isFinite else {
      throw .impossible(
        "its gradient of \(unit) is not finite, though its loss is: its memory or its "
          + "processor makes errors")
    }
  }

  private func isFinite(_ parts: [GradientPart]) -> Bool {
    gradients.enumerated().allSatisfy { place, gradient in
      guard place > 0 else { return gradient.buffer.isFinite }
      return parts.allSatisfy { !$0.isPerStep || gradient.buffer.isFinite($0.floats) }
    }
  }
}
