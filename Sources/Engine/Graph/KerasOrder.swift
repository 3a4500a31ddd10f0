// The order in which Keras has a graph's layers, whatever order they are given in: that of its
// lists of weights, of its files and of its optimizers' slots.

extension Architecture {
  /// The layers in Keras's order: those that are farthest from the output first, by the longest
  /// way; of equally far ones that first that a walk from the output, through each layer's inputs
  /// in order, comes to first.
  ///
  /// As `map_graph` in `keras/src/ops/function.py` has it.
  /// - Returns: the same layers as they are where one does not lead to the last, or reads one that
  ///   does not come before it.
  static func inKerasOrder(_ nodes: [Node]) -> [Node] {
    let reads = nodes.map { node in
      node.inputs.compactMap { if case .node(let number) = $0 { number } else { nil } }
    }
    let isOrdered = reads.enumerated().allSatisfy { place, read in
      read.allSatisfy { (0..<place).contains($0) }
    }
    guard isOrdered, !nodes.isEmpty else { return nodes }
    var depths = [Int](repeating: 0, count: nodes.count)
    for (place, read) in reads.enumerated().reversed() {
      for other in read { depths[other] = max(depths[other], depths[place] + 1) }
    }
    // In the order of the walk; with a stack of its own, as a row may have any length.
    var visits = [Int?](repeating: nil, count: nodes.count)
    var stack = [nodes.count - 1]
    var count = 0
    while let place = stack.popLast() {
      guard visits[place] == nil else { continue }
      visits[place] = count
      count += 1
      stack += reads[place].reversed()
    }
    guard count == nodes.count else { return nodes }
    let order = nodes.indices.sorted { a, b in
      depths[a] == depths[b] ? visits[a] ?? 0 < visits[b] ?? 0 : depths[a] > depths[b]
    }
    guard order != Array(nodes.indices) else { return nodes }
    var places = order
    for (place, number) in order.enumerated() { places[number] = place }
    return order.map { number in
      var node = nodes[number]
      node.inputs = node.inputs.map { value in
        if case .node(let read) = value { .node(places[read]) } else { value }
      }
      return node
    }
  }
}
