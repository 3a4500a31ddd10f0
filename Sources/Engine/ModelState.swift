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
  /// Updates that made the weights.
  public var updates: Int

  /// A state that has these buffers.
  public init(weights: ParameterBuffer, slots: [ParameterBuffer] = [], updates: Int = 0) {
    precondition(slots.allSatisfy { $0.layout == weights.layout })
    (self.weights, self.slots, self.updates) = (weights, slots, updates)
  }

  /// All zeros, with the slots of an optimizer of this kind.
  public init(_ layout: ParameterLayout, optimizer: any Optimizer.Type) {
    self.init(
      weights: ParameterBuffer(layout), slots: optimizer.slots.map { _ in ParameterBuffer(layout) })
  }

  /// Where each tensor lies.
  public var layout: ParameterLayout { weights.layout }

  /// Whether it has all that an optimizer of this kind goes on from.
  public func suits(_ optimizer: any Optimizer.Type) -> Bool {
    slots.count == optimizer.slots.count
  }

  /// Makes it the start of a run: weights drawn from `seed`, slots of zeros, no updates.
  public mutating func initialize(seed: UInt64) {
    weights.initialize(seed: seed)
    for slot in slots { slot.buffer.update(repeating: 0) }
    updates = 0
  }

  /// Makes every number that of `other`, which must have the same layout and slots.
  public mutating func copy(from other: ModelState) {
    precondition(slots.count == other.slots.count)
    weights.copy(from: other.weights)
    for (slot, source) in zip(slots, other.slots) { slot.copy(from: source) }
    updates = other.updates
  }

  /// The same numbers in buffers of its own.
  public func copy() -> ModelState {
    var copy = ModelState(
      weights: ParameterBuffer(layout), slots: slots.map { ParameterBuffer($0.layout) })
    copy.copy(from: self)
    return copy
  }

  /// Whether no number is an infinity or NaN.
  public var isFinite: Bool { weights.isFinite && slots.allSatisfy(\.isFinite) }

  /// The digest of the weights: equal digests, equal models.
  public var digest: Digest { weights.digest }
}
