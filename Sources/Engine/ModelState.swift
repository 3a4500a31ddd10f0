import Primitives

/// What a run has learnt: the weights, and what the optimizer remembers of the updates so far.
///
/// It is copied, digested, checkpointed and rolled back as one. Its buffers are references: two
/// values may share them, and whoever holds one says who may write.
public struct ModelState: Sendable {
  /// In the model's layout.
  public let weights: ParameterBuffer
  /// The optimizer's slots in its order, each in the model's layout; none where only the weights
  /// are known.
  public let slots: [ParameterBuffer]
  /// What each of the slots is.
  public let kinds: [OptimizerSlot]
  /// Updates that made the weights.
  public var updates: Int

  /// A state that has these weights, and slots of zeros of these kinds.
  public init(weights: ParameterBuffer, slots kinds: [OptimizerSlot] = [], updates: Int = 0) {
    self.weights = weights
    self.kinds = kinds
    self.updates = updates
    slots = kinds.map { _ in ParameterBuffer(weights.layout) }
  }

  /// All zeros, with the slots of an optimizer.
  public init(_ layout: ParameterLayout, optimizer: any Optimizer) {
    self.init(weights: ParameterBuffer(layout), slots: optimizer.slots)
  }

  /// Where each tensor lies.
  public var layout: ParameterLayout { weights.layout }

  /// Whether it has all that an optimizer goes on from.
  public func suits(_ optimizer: any Optimizer) -> Bool { kinds == optimizer.slots }

  /// Makes it the start of a run: weights drawn from `seed`, slots of zeros, no updates.
  public mutating func initialize(seed: UInt64) {
    weights.initialize(seed: seed)
    for slot in slots { slot.buffer.update(repeating: 0) }
    updates = 0
  }

  /// Makes it the start of a run with these weights: slots of zeros, no updates.
  public mutating func initialize(weights start: ParameterBuffer) {
    weights.copy(from: start)
    for slot in slots { slot.buffer.update(repeating: 0) }
    updates = 0
  }

  /// Makes every number that of `other`, which must have the same layout and slots.
  public mutating func copy(from other: ModelState) {
    precondition(kinds == other.kinds)
    weights.copy(from: other.weights)
    for (slot, source) in zip(slots, other.slots) { slot.copy(from: source) }
    updates = other.updates
  }

  /// The same numbers in buffers of its own.
  public func copy() -> ModelState {
    var copy = ModelState(weights: ParameterBuffer(layout), slots: kinds)
    copy.copy(from: self)
    return copy
  }

  /// Whether no number is an infinity or NaN.
  public var isFinite: Bool { weights.isFinite && slots.allSatisfy(\.isFinite) }

  /// The digest of the weights: equal digests, equal models.
  public var digest: Digest { weights.digest }
}
