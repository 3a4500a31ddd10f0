/// Walks B-trees of version 1: of a group's links, or of a data set's chunks.
enum HDF5Tree {
  /// What a tree is of.
  enum Kind {
    case group
    /// Of chunks with so many dimensions, that of an element's bytes included.
    case chunks(rank: Int)

    var number: Int {
      switch self {
      case .group: 0
      case .chunks: 1
      }
    }
    var keyLength: Int {
      switch self {
      case .group: 8
      case .chunks(let rank): 8 + 8 * rank
      }
    }
  }

  /// What a node of the lowest level has: a place in the file, and the key before it.
  struct Leaf {
    let key: HDF5Cursor
    let child: Int
  }

  /// Calls `body` for each leaf of the tree whose root is at `address`, in order.
  /// - Throws: `HDF5Problem`, and what `body` throws.
  static func forEachLeaf(
    _ file: HDF5File, at address: Int, _ kind: Kind, _ body: (Leaf) throws -> Void
  ) throws {
    let name = "a tree of \(kind.number == 0 ? "links" : "chunks")"
    var seen: Set<Int> = []
    // With the level that each must have: one less than its parent's.
    var nodes: [(address: Int, level: Int?)] = [(address, nil)]
    while let (address, expected) = nodes.popLast() {
      guard seen.insert(address).inserted else {
        throw HDF5Problem.damaged("\(name) refers to itself")
      }
      var head = try file.structure(at: address, count: 24, name)
      try head.expect("TREE")
      guard try head.byte() == kind.number else { throw HDF5Problem.damaged("\(name) is none") }
      let (level, count) = (try head.byte(), try head.short())
      guard level == expected ?? level else {
        throw HDF5Problem.damaged("\(name) has levels out of order")
      }
      // The key after the last child is not looked at.
      var entries = try file.structure(
        at: address + 24, count: count * (kind.keyLength + 8), name)
      var children: [(Int, Int?)] = []
      for _ in 0..<count {
        let key = try entries.part(kind.keyLength)
        let child = try entries.place()
        if level == 0 {
          try body(Leaf(key: key, child: child))
        } else {
          children.append((child, level - 1))
        }
      }
      nodes += children.reversed()
    }
  }
}
