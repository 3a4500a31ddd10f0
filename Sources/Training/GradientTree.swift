import Engine

/// The gradients of an update's steps, summed as `SumTree` says whatever the order of arrival.
///
/// Leaves are the places in the update. Few gradients are kept as they came until the update, which
/// sums them in the cache. Of more, every full run of `Updater.gradientsAtOnce` neighbours is
/// summed once it is there: a run is a node of the tree.
public struct GradientTree {
  /// What is added to what.
  private let shape: SumTree
  /// Runs of neighbouring leaves, until they are summed.
  private var runs: [[StepGradient?]]
  /// Sums of runs and of runs of runs, waiting for their siblings.
  private var sums: [SumTree.Node: ParameterBuffer] = [:]
  private var missing: Int
  /// Pictures of the gradients that are there.
  private var pictures = 0

  /// The level of the tree that a run's sum is on.
  private static let runLevel = SumTree.levels(Updater.gradientsAtOnce) - 1

  /// A tree with `count` leaves, at least one, none of them there yet.
  public init(count: Int) {
    let shape = SumTree(leaves: count)
    self.shape = shape
    missing = count
    runs = (0..<shape.width(Self.runLevel)).map { run in
      shape.leaves(of: SumTree.Node(level: Self.runLevel, place: run)).map { _ in nil }
    }
  }

  /// Whether every leaf is there.
  public var isComplete: Bool { missing == 0 }

  /// Adds the gradient of a place from 0 to `count` - 1, each once.
  ///
  /// - Parameters:
  ///   - gradient: nobody may write to it any more.
  ///   - updater: computes the sums.
  public mutating func insert(_ gradient: StepGradient, at place: Int, using updater: Updater) {
    let (run, index) = place.quotientAndRemainder(dividingBy: Updater.gradientsAtOnce)
    runs[run][index] = gradient
    missing -= 1
    pictures += gradient.pictures
    guard runs.count > 1, runs[run].allSatisfy({ $0 != nil }) else { return }
    let sum = ParameterBuffer(updater.layout.parameters)
    updater.sum(runs[run].compactMap { $0 }, into: sum)
    runs[run] = []
    insert(sum, at: SumTree.Node(level: Self.runLevel, place: run), using: updater)
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
      return updater.apply(optimizer, to: &state, steps: runs[0].compactMap { $0 })
    }
    guard let sum = sums[shape.root] else { preconditionFailure("a complete tree has a root") }
    return updater.apply(optimizer, to: &state, gradientSum: sum, pictures: pictures)
  }
}
