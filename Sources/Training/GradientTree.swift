import Engine

/// The sum of an update's gradients, in one fixed binary tree whatever the order of arrival.
///
/// Leaves are the places in the update. Each level pairs its neighbours, an odd last one moves up
/// as it is; so the shape, and with it every rounding, depends on the number of leaves alone. A
/// node is summed as soon as both children are there, into the buffer of its left child.
public struct GradientTree {
  /// The leaves.
  public let count: Int
  /// Summed subtrees by level and place, waiting for their siblings.
  private var nodes: [[ParameterBuffer?]]

  /// A tree with `count` leaves, at least one, none of them there yet.
  public init(count: Int) {
    self.count = count
    var widths = [max(count, 1)]
    while let width = widths.last, width > 1 { widths.append((width + 1) / 2) }
    nodes = widths.map { Array(repeating: nil, count: $0) }
  }

  /// The sum of all leaves; nil until every leaf is there.
  public var sum: ParameterBuffer? { nodes.last?.first ?? nil }

  /// Adds the gradient of a place from 0 to `count` - 1, each once.
  ///
  /// - Parameters:
  ///   - gradient: the tree's from now on; it may be overwritten.
  ///   - updater: computes the sums.
  public mutating func insert(
    _ gradient: ParameterBuffer, at place: Int, using updater: Updater
  ) {
    var (place, node) = (place, gradient)
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
}

/// Buffers of one layout that are used again once nobody else holds them.
///
/// Whoever hands a buffer to another thread does so through a lock (a `Mailbox`), and so does
/// whoever gives it up; then a buffer that only the pool holds is free.
struct BufferPool {
  private let layout: ParameterLayout
  private var buffers: [ParameterBuffer] = []

  /// No buffers yet.
  init(_ layout: ParameterLayout) { self.layout = layout }

  /// A buffer of whatever contents.
  mutating func take() -> ParameterBuffer {
    for index in buffers.indices where isKnownUniquelyReferenced(&buffers[index]) {
      return buffers[index]
    }
    let buffer = ParameterBuffer(layout)
    buffers.append(buffer)
    return buffer
  }
}
