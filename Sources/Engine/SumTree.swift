/// The shape of the binary tree in which the gradients of an update are summed.
///
/// Leaves are the places of the gradients, and level 0. Each level pairs the neighbours of the one
/// below; an odd last one moves up as it is. So the shape, and with it every rounding of the sum,
/// depends on the number of leaves alone: not on the order of arrival, nor on who adds.
public struct SumTree: Hashable, Sendable {
  /// The sum of some neighbouring leaves.
  public struct Node: Hashable, Sendable {
    /// Its level; 0 is a leaf's.
    public var level: Int
    /// Its place in the level, from 0.
    public var place: Int

    /// A node by level and place.
    public init(level: Int, place: Int) { (self.level, self.place) = (level, place) }
  }

  /// How a node comes about.
  public enum Origin {
    /// It is a leaf.
    case leaf
    /// It moved up: it is the only child's sum.
    case child(Node)
    /// It is the sum of two.
    case sum(left: Node, right: Node)
  }

  /// The leaves, at least one.
  public let leaves: Int

  /// A tree over so many leaves.
  public init(leaves: Int) {
    precondition(leaves > 0)
    self.leaves = leaves
  }

  /// The sum of all leaves.
  public var root: Node { Node(level: Self.levels(leaves) - 1, place: 0) }

  /// Levels of a tree over so many leaves, the leaves' and the root's included.
  public static func levels(_ leaves: Int) -> Int {
    Int.bitWidth - (leaves - 1).leadingZeroBitCount + 1
  }

  /// Nodes of a level.
  public func width(_ level: Int) -> Int { (leaves + (1 << level) - 1) >> level }

  /// How `node` comes about.
  public func origin(_ node: Node) -> Origin {
    guard node.level > 0 else { return .leaf }
    let left = Node(level: node.level - 1, place: 2 * node.place)
    return sibling(left).map { .sum(left: left, right: $0) } ?? .child(left)
  }

  /// The node that `node` is added to; nil for one that moves up as it is, and for the root.
  public func sibling(_ node: Node) -> Node? {
    let place = node.place ^ 1
    return place < width(node.level) ? Node(level: node.level, place: place) : nil
  }

  /// The node one level up that `node` is part of.
  public func parent(_ node: Node) -> Node { Node(level: node.level + 1, place: node.place / 2) }

  /// The leaves whose sum `node` is.
  public func leaves(of node: Node) -> Range<Int> {
    let first = node.place << node.level
    return first..<min(leaves, first + 1 << node.level)
  }
}
