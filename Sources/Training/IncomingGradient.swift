import Coordination
import Engine
import Primitives
import Wire

/// The gradient of a step as its parts come from one worker.
package struct IncomingGradient {
  /// The step, counted over the run.
  package let step: Int
  /// The weights that it is computed with.
  package let version: WeightsVersion
  /// Its numbers, as far as they are there.
  package let gradient: StepGradient
  /// The digest of each part that is there.
  package private(set) var digests: [Digest?]
  /// Those of its parts that others are sent as they are, where they are there, by index.
  package private(set) var factors: [Int: Part] = [:]
  private var missing: Int

  /// - Parameter gradient: what the numbers are written to.
  package init(step: Int, version: WeightsVersion, gradient: StepGradient, parts: Int) {
    (self.step, self.version, self.gradient) = (step, version, gradient)
    digests = Array(repeating: nil, count: parts)
    missing = parts
  }

  /// Takes one of its parts.
  /// - Throws: `AnswerFault` where there is no such part, it was there, or it is damaged.
  package mutating func take(_ part: Part, _ parts: [GradientPart]) throws(AnswerFault) {
    guard parts.indices.contains(part.index), digests[part.index] == nil else {
      throw .damaged("it sent part \(part.index) of its gradient of step \(step) out of turn")
    }
    let place = parts[part.index]
    do throws(WireError) {
      try part.decode(
        into: UnsafeMutableBufferPointer(rebasing: gradient.buffer.buffer[place.floats]))
    } catch {
      throw .damaged("its gradient of step \(step): \(error)")
    }
    digests[part.index] = part.digest
    if place.isFactor { factors[part.index] = part }
    missing -= 1
  }

  /// Checks that all of it is there, and that it is what its sender says.
  /// - Throws: `AnswerFault`, also where it is not finite although its loss is.
  package func check(_ header: GradientHeader) throws(AnswerFault) {
    guard missing == 0, Digest(of: digests.compactMap { $0 }) == header.digest else {
      throw .damaged("the digest of its gradient of step \(step) is not the one it names")
    }
    // A worker says so itself, by its loss.
    guard gradient.buffer.isFinite || !header.loss.isFinite else {
      throw .impossible(
        "its gradient of step \(step) is not finite, though its loss is: its memory or its "
          + "processor makes errors")
    }
  }
}
