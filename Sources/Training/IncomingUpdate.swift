import Engine
import Wire

/// An update that a worker makes itself, as its parts come.
struct IncomingUpdate {
  /// What is certain of it, once the coordinator has said so.
  var header: UpdateHeader?
  /// The sums over its steps, in the gradients' layout, once some are there; the places of what is
  /// per step are empty.
  private var sums: ParameterBuffer?
  /// Its steps' factors and statistics, each in the gradients' layout, with which parts are there.
  private var factors: [Int: (buffer: ParameterBuffer, arrived: Set<Int>)] = [:]
  private var arrivedSums: Set<Int> = []
  private let stepsMost: Int

  /// Nothing of an update has come.
  /// - Parameter stepsMost: steps that it can have.
  init(stepsMost: Int) { self.stepsMost = stepsMost }

  /// Takes a part, where it is not there.
  /// - Parameter memory: for the sums, and for a step's factors.
  /// - Throws: `WireError` where it is damaged; `WorkerError` where it cannot be one of the
  ///   update's.
  mutating func take(
    _ part: Part, _ parts: [GradientPart], memory: inout BufferPool
  ) throws {
    guard parts.indices.contains(part.index) else { throw Self.nonsense }
    let place = parts[part.index]
    switch part.content {
    case .sum:
      guard !place.isPerStep else { throw Self.nonsense }
      let sums = sums ?? memory.take()
      self.sums = sums
      try part.decode(into: Self.floats(place, of: sums))
      arrivedSums.insert(part.index)
    case .gradient(let step):
      guard place.isPerStep, factors[step] != nil || factors.count < stepsMost else {
        throw Self.nonsense
      }
      // Of a step that was computed here, its sender may still read the numbers.
      if factors[step]?.arrived.contains(part.index) == true { return }
      let buffer = factors[step]?.buffer ?? memory.take()
      try part.decode(into: Self.floats(place, of: buffer))
      factors[step, default: (buffer, [])].arrived.insert(part.index)
    case .state: throw Self.nonsense
    }
  }

  /// Takes a step's gradient that was computed here: nobody sends its factors back.
  mutating func take(_ gradient: ParameterBuffer, step: Int, _ parts: [GradientPart]) {
    factors[step] = (gradient, Set(parts.lazy.filter(\.isPerStep).map(\.index)))
  }

  /// The steps' gradients and the sums, once the update is certain and all of it is there.
  func whole(_ parts: [GradientPart]) -> (steps: [StepGradient], sums: ParameterBuffer)? {
    guard let header, !header.pictures.isEmpty, let sums else { return nil }
    let factorCount = parts.count(where: \.isPerStep)
    guard arrivedSums.count == parts.count - factorCount else { return nil }
    var steps: [StepGradient] = []
    for (place, pictures) in header.pictures.enumerated() {
      // A model without factors and statistics has nothing of a step alone.
      guard factorCount > 0 else {
        steps.append(StepGradient(sums, pictures: pictures))
        continue
      }
      guard let factor = factors[header.firstStep + place], factor.arrived.count == factorCount
      else { return nil }
      steps.append(StepGradient(factor.buffer, pictures: pictures))
    }
    return (steps, sums)
  }

  private static func floats(
    _ part: GradientPart, of buffer: ParameterBuffer
  ) -> UnsafeMutableBufferPointer<Float> {
    UnsafeMutableBufferPointer(rebasing: buffer.buffer[part.floats])
  }

  private static let nonsense = WorkerError(
    "the coordinator sent a part of an update that cannot be")
}
