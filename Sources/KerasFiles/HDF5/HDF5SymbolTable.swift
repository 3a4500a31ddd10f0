/// Writes a group's links: a heap of names, leaves with eight links each, and a B-tree of leaves.
enum HDF5SymbolTable {
  /// What a leaf and a node of the tree have room for: HDF5's defaults.
  static let linksInLeaf = 8
  static let childrenInNode = 32
  private static let nodeLength = 24 + 8 * childrenInNode + 8 * (childrenInNode + 1)

  /// A child of a tree's node, and the place in the heap of the greatest name below it.
  private struct Child {
    let address: Int
    let greatest: Int
  }

  /// Appends the links of a group.
  /// - Parameter links: in the order of their names' bytes.
  /// - Returns: where the tree and the heap are.
  static func append(
    _ links: [(name: [UInt8], child: HDF5NewGroup.Child)], to image: HDF5Image
  ) -> (tree: Int, heap: Int) {
    // The first name is none: it is less than all others.
    var names = HDF5Bytes([0])
    var places: [Int] = []
    for link in links {
      names.pad(to: paddedToEight(names.count))
      places.append(names.count)
      names.append(link.name + [0])
    }
    names.pad(to: paddedToEight(names.count))
    var heap = HDF5Bytes(Array("HEAP".utf8) + [0, 0, 0, 0])
    heap.append(names.count, width: 8)
    // No piece of the heap is free: 1 says so.
    heap.append(1, width: 8)
    heap.append(address: image.append(names))
    let heapAddress = image.append(heap)

    var children = stride(from: 0, to: links.count, by: linksInLeaf).map { first in
      let last = min(first + linksInLeaf, links.count) - 1
      var leaf = HDF5Bytes(Array("SNOD".utf8) + [1, 0])
      leaf.append(last - first + 1, width: 2)
      for index in first...last { leaf.append(entry(name: places[index], links[index].child)) }
      leaf.pad(to: 8 + 40 * linksInLeaf)
      return Child(address: image.append(leaf), greatest: places[last])
    }
    var level = 0
    repeat {
      children = append(children, level: level, to: image)
      level += 1
    } while children.count > 1
    return (children[0].address, heapAddress)
  }

  /// Appends the nodes of one level of the tree; one, without children, for an empty group.
  private static func append(
    _ children: [Child], level: Int, to image: HDF5Image
  ) -> [Child] {
    let firsts = Array(stride(from: 0, to: max(children.count, 1), by: childrenInNode))
    let start = image.end
    return firsts.enumerated().map { index, first in
      let some = children[first..<min(first + childrenInNode, children.count)]
      var node = HDF5Bytes(Array("TREE".utf8) + [0, UInt8(level)])
      node.append(some.count, width: 2)
      node.append(address: index > 0 ? start + (index - 1) * nodeLength : nil)
      node.append(address: index + 1 < firsts.count ? start + (index + 1) * nodeLength : nil)
      var greatest = first > 0 ? children[first - 1].greatest : 0
      node.append(greatest, width: 8)
      for child in some {
        node.append(address: child.address)
        node.append(child.greatest, width: 8)
        greatest = child.greatest
      }
      node.pad(to: nodeLength)
      return Child(address: image.append(node), greatest: greatest)
    }
  }

  /// A link as leaves and the superblock have it.
  /// - Parameter name: its place in the heap of names.
  static func entry(name: Int, _ child: HDF5NewGroup.Child) -> HDF5Bytes {
    var entry = HDF5Bytes()
    entry.append(name, width: 8)
    switch child {
    case .group(let place):
      entry.append(address: place.header)
      // A group brings its tree and heap along.
      entry.append(1, width: 8)
      entry.append(address: place.tree)
      entry.append(address: place.heap)
    case .dataSet(let header):
      entry.append(address: header)
      entry.append(0, width: 24)
    }
    return entry
  }
}
