// A trained network made one's own: cut off at a layer, given a head for other classes, frozen.

extension Architecture {
  /// The model up to a layer, with a head for some classes on it: the mean of each channel where
  /// the layer puts out a map, dropout, and a dense layer, which ends in a sigmoid for two classes
  /// and in softmax for more.
  /// - Parameters:
  ///   - layer: its output is what the head reads; layers that it is not computed from go.
  ///   - dropout: the rate before the dense layer; 0 for none.
  /// - Throws: `ArchitectureError` where there is no such layer.
  package func replacingHead(
    after layer: String, classes: Int, dropout: Float
  ) throws -> Architecture {
    guard let last = nodes.firstIndex(where: { $0.name == layer }) else {
      throw ArchitectureError("the model has no layer \(layer)")
    }
    let kept = layers(upTo: layer)
    var moved: [Value: Value] = [.picture: .picture]
    var trunk: [Node] = []
    for (place, node) in nodes.enumerated() where kept.contains(node.name) {
      var node = node
      node.inputs = node.inputs.compactMap { moved[$0] }
      moved[.node(place)] = .node(trunk.count)
      trunk.append(node)
    }
    var names = Set(trunk.map(\.name))
    func add(_ layer: any Layer, _ name: String) {
      let free = (0...trunk.count).lazy.map { $0 == 0 ? name : "\(name)_\($0)" }
        .first { !names.contains($0) }
      names.insert(free ?? name)
      trunk.append(
        Node(name: free ?? name, layer: layer, inputs: [.node(trunk.count - 1)]))
    }
    if !outputs[last].isFlat { add(.globalPooling(.average), "head_pooling") }
    if dropout > 0 { add(Dropout(rate: dropout), "head_dropout") }
    add(.head(classes: classes), "head_dense")
    return try Architecture(input: input, nodes: trunk, range: range)
  }

  /// The same model with these layers frozen, and no others.
  package func freezing(_ names: Set<String>) throws -> Architecture {
    try changingNodes { $0.isFrozen = names.contains($0.name) }
  }

  /// The names of the layers that one is computed from, and its own.
  package func layers(upTo name: String) -> Set<String> {
    guard let last = nodes.firstIndex(where: { $0.name == name }) else { return [] }
    var reached: Set<Value> = [.node(last)]
    var names: Set<String> = []
    for (place, node) in nodes.enumerated().reversed() where reached.contains(.node(place)) {
      reached.formUnion(node.inputs)
      names.insert(node.name)
    }
    return names
  }
}
