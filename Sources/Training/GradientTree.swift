import Engine

/// The gradients of an update's steps, summed in one fixed binary tree whatever the order of
/// arrival.
///
/// Leaves are the places in the update. Each level pairs its neighbours, an odd last one moves up
/// as it is; so the shape, and with it every rounding, depends on the number of leaves alone. Few
/// gradients are kept as they came until the update, which sums them in the cache; of more, every
/// full run of `Updater.gradientsAtOnce` neighbours is summed once it is there.
public struct GradientTree {
  /// The leaves.
  public let count: Int
  /// Runs of neighbouring leaves, until they are summed.
  private var runs: [[StepGradient?]]
  /// Sums of runs and of runs of runs by level and place, waiting for their siblings; no levels
  /// where there is one run.
  private var nodes: [[ParameterBuffer?]] = []
  private var missing: Int

  /// A tree with `count` leaves, at least one, none of them there yet.
  public init(count: Int) {
    self.count = count
    missing = count
    let size = Updater.gradientsAtOnce
    runs = stride(from: 0, to: count, by: size).map {
      Array(repeating: nil, count: min(size, count - $0))
    }
    guard runs.count > 1 else { return }
    var widths = [runs.count]
    while let width = widths.last, width > 1 { widths.append((width + 1) / 2) }
    nodes = widths.map { Array(repeating: nil, count: $0) }
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
    guard !nodes.isEmpty, runs[run].allSatisfy({ $0 != nil }) else { return }
    let sum = ParameterBuffer(updater.layout.parameters)
    updater.sum(runs[run].compactMap { $0 }, into: sum)
    runs[run] = []
    insert(sum, at: run, using: updater)
  }

  /// A node is summed as soon as both children are there, into the buffer of its left child.
  private mutating func insert(_ sum: ParameterBuffer, at place: Int, using updater: Updater) {
    var (place, node) = (place, sum)
    for level in nodes.indices.dropLast() {
      let sibling = place ^ 1
      if sibling < nodes[level].count {
        guard let other = nodes[level][sibling] else {
          nodes[level][place] = node
          return
        }
        nodes[level][sibling] = nil
        let (left, right) = place < sibling ? (node, other) : (other, node)
        updater.add(right, to: left)
        node = left
      }
      place /= 2
    }
    nodes[nodes.count - 1][0] = node
  }

  /// Updates `weights` and `average` by the mean gradient of `pictures` pictures; the tree must be
  /// complete.
  /// - Returns: whether all weights and averages are finite numbers now.
  @discardableResult
  public func apply(
    _ optimizer: RMSprop, weights: ParameterBuffer, average: ParameterBuffer, pictures: Int,
    using updater: Updater
  ) -> Bool {
    precondition(isComplete)
    if let sum = nodes.last?.first ?? nil {
      return updater.apply(
        optimizer, weights: weights, average: average, gradientSum: sum, pictures: pictures)
    } else {
      return updater.apply(
        optimizer, weights: weights, average: average, steps: runs[0].compactMap { $0 })
    }
  }
}
