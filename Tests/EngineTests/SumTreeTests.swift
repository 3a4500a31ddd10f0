import Engine
import Testing

/// The tree of sums, seen from the root and from the leaves.
@Suite struct SumTreeTests {
  /// The sum as it is written: `((0+1)+2)`.
  private static func written(_ tree: SumTree, _ node: SumTree.Node) -> String {
    switch tree.origin(node) {
    case .leaf: "\(node.place)"
    case .child(let child): written(tree, child)
    case .sum(let left, let right): "(\(written(tree, left))+\(written(tree, right)))"
    }
  }

  @Test func shapes() {
    let expected = [
      1: "0", 2: "(0+1)", 3: "((0+1)+2)", 5: "(((0+1)+(2+3))+4)",
      6: "(((0+1)+(2+3))+(4+5))", 7: "(((0+1)+(2+3))+((4+5)+6))",
    ]
    for (leaves, text) in expected {
      let tree = SumTree(leaves: leaves)
      #expect(Self.written(tree, tree.root) == text)
    }
  }

  @Test(arguments: 1...70) func everyLevelPairsItsNeighbours(leaves: Int) {
    let tree = SumTree(leaves: leaves)
    var texts = (0..<leaves).map { "\($0)" }
    for level in 0...tree.root.level {
      #expect(tree.width(level) == texts.count)
      var next: [String] = []
      for (place, text) in texts.enumerated() {
        let node = SumTree.Node(level: level, place: place)
        #expect(Self.written(tree, node) == text)
        #expect(tree.leaves(of: node).lowerBound == place << level)
        let sibling = tree.sibling(node)
        #expect(sibling.map { tree.sibling($0) == node } ?? (place == texts.count - 1))
        #expect(tree.parent(node) == SumTree.Node(level: level + 1, place: place / 2))
        if place % 2 == 0 {
          next.append(sibling.map { "(\(text)+\(texts[$0.place]))" } ?? text)
        }
      }
      texts = next
    }
    #expect(tree.leaves(of: tree.root) == 0..<leaves)
    #expect(SumTree.levels(leaves) == tree.root.level + 1)
  }
}
