import Engine
import Wire

/// The gradients of an update's steps, summed as `SumTree` says whatever the order of arrival.
///
/// Leaves are the places in the update. Few gradients are kept as they came until the update, which
/// sums them in the cache. Of more, every full run of `Updater.gradientsAtOnce` neighbours is
/// summed once it is there: a run is a node of the tree.
public struct GradientTree {
  private struct Leaf {
    let gradient: StepGradient
    /// Whether what is not per step is in another one's, summed.
    let isSummed: Bool
  }

  /// What is added to what.
  private let shape: SumTree
  /// Runs of neighbouring leaves, until they are summed.
  private var runs: [[Leaf?]]
  /// Sums of runs and of runs of runs, waiting for their siblings.
  private var sums: [SumTree.Node: ParameterBuffer] = [:]
  private var missing: Int
  /// Of each place the batch's statistics, where gradients are summed before the update.
  private var statistics: [[Float]]
  /// Pictures of the gradients that are there.
  private var pictures = 0

  /// The level of the tree that a run's sum is on.
  private static let runLevel = SumTree.levels(Updater.gradientsAtOnce) - 1

  /// A tree with `count` leaves, at least one, none of them there yet.
  public init(count: Int) {
    let shape = SumTree(leaves: count)
    self.shape = shape
    missing = count
    statistics = Array(repeating: [], count: count)
    runs = (0..<shape.width(Self.runLevel)).map { run in
      shape.leaves(of: SumTree.Node(level: Self.runLevel, place: run)).map { _ in nil }
    }
  }

  /// Whether every leaf is there.
  public var isComplete: Bool { missing == 0 }

  /// Adds the gradients of consecutive places from 0 to `count` - 1, each once.
  ///
  /// - Parameters:
  ///   - gradients: nobody may write to them any more. Several are a node of the tree, and what is
  ///     not per step is summed in the first.
  ///   - place: of the first.
  ///   - updater: computes the sums.
  public mutating func insert(
    _ gradients: [StepGradient], at place: Int, using updater: Updater
  ) {
    let (run, index) = place.quotientAndRemainder(dividingBy: Updater.gradientsAtOnce)
    for (offset, gradient) in gradients.enumerated() {
      runs[run][index + offset] = Leaf(gradient: gradient, isSummed: offset > 0)
      pictures += gradient.pictures
    }
    missing -= gradients.count
    guard runs.count > 1, runs[run].allSatisfy({ $0 != nil }) else { return }
    for (offset, leaf) in runs[run].enumerated() {
      guard let leaf else { continue }
      statistics[run * Updater.gradientsAtOnce + offset] = updater.layout.statistics(leaf.gradient)
    }
    let sum = ParameterBuffer(updater.layout.parameters)
    let (steps, wholes) = Self.parts(of: runs[run], using: updater)
    updater.sum(steps, wholes: wholes, into: sum)
    runs[run] = []
    insert(sum, at: SumTree.Node(level: Self.runLevel, place: run), using: updater)
  }

  /// The gradients of a run, with the sums of what is not per step where some are summed already.
  private static func parts(
    of run: [Leaf?], using updater: Updater
  ) -> (steps: [StepGradient], wholes: ParameterBuffer?) {
    let leaves = run.compactMap { $0 }
    let steps = leaves.map(\.gradient)
    guard leaves.contains(where: \.isSummed) else { return (steps, nil) }
    let wholes = ParameterBuffer(updater.layout.buffer)
    let own = leaves.filter { !$0.isSummed }.map(\.gradient)
    for part in updater.layout.parts(most: Limits.standard.partFloats) where !part.isPerStep {
      updater.sum(part.floats, of: own, into: wholes)
    }
    return (steps, wholes)
  }

  /// A node is summed as soon as both children are there, into the buffer of its left child.
  private mutating func insert(
    _ sum: ParameterBuffer, at place: SumTree.Node, using updater: Updater
  ) {
    var (sum, node) = (sum, place)
    while node != shape.root {
      if let sibling = shape.sibling(node) {
        guard let other = sums.removeValue(forKey: sibling) else { break }
        let (left, right) = node.place < sibling.place ? (sum, other) : (other, sum)
        updater.add(right, to: left)
        sum = left
      }
      node = shape.parent(node)
    }
    sums[node] = sum
  }

  /// Updates `state` by the mean gradient of all pictures; the tree must be complete.
  /// - Returns: whether all numbers of the state are finite now.
  @discardableResult
  public func apply(
    _ optimizer: any Optimizer, to state: inout ModelState, using updater: Updater
  ) -> Bool {
    precondition(isComplete)
    guard runs.count > 1 else {
      let (steps, wholes) = Self.parts(of: runs[0], using: updater)
      return updater.apply(optimizer, to: &state, steps: steps, wholes: wholes)
    }
    guard let sum = sums[shape.root] else { preconditionFailure("a complete tree has a root") }
    return updater.apply(
      optimizer, to: &state, gradientSum: sum, pictures: pictures, statistics: statistics)
  }
}
