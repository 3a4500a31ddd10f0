/// A model described by data: the input's shape and the layers, each after those that it reads.
///
/// The last layer must be the head of one of `Losses.all`.
public struct Architecture: Hashable, Sendable {
  /// A layer in its place.
  package struct Node: Hashable, Sendable {
    /// What files and tables call it; names are unique.
    package let name: String
    /// What it computes.
    package let layer: any Layer
    /// What it reads.
    package var inputs: [Value]
    /// What its tensors start with, where that is not what most of their kind do.
    package var initializers: [ParameterLayout.Kind: Initializer] = [:]
    /// How updates change its tensors.
    package var rule = UpdateRule()
    /// Whether its tensors stay as they are: no update changes them, and batch normalisation
    /// computes as at inference.
    package var isFrozen = false

    /// A layer that reads `inputs`.
    package init(name: String, layer: any Layer, inputs: [Value]) {
      (self.name, self.layer, self.inputs) = (name, layer, inputs)
    }

    /// Equal in all.
    package static func == (a: Self, b: Self) -> Bool {
      a.name == b.name && a.layer == b.layer && a.inputs == b.inputs && a.rule == b.rule
        && a.isFrozen == b.isFrozen && a.initializers == b.initializers
    }

    /// Hashes the name, the layer and the inputs.
    package func hash(into hasher: inout Hasher) {
      hasher.combine(name)
      hasher.combine(layer)
      hasher.combine(inputs)
    }
  }

  /// One picture: height, width and 3 channels.
  public let input: Shape
  /// What numbers it is fed.
  public let range: InputRange
  /// The layers, each after those that it reads; the last one is the model's head.
  package let nodes: [Node]
  /// The output shape of each layer.
  public let outputs: [Shape]
  /// Every tensor, in Keras's order: layer by layer, of each its kernel, then its bias.
  public let parameters: ParameterLayout
  /// What training makes small, and what the last layer's outputs mean.
  public let loss: any Loss

  /// The most floats of one tensor, or of one picture's map: 1 GiB.
  private static let floatsMax = 0x1p28

  /// A row of layers, each on the output of the one before.
  /// - Parameters:
  ///   - layers: as for `row`.
  ///   - decays: the factors of the squares of kernels' weights in the loss, by layer.
  /// - Throws: `ArchitectureError` naming the first layer that does not fit.
  package init(
    input: Shape, layers: [(name: String?, layer: any Layer)], decays: [String: Float] = [:]
  ) throws {
    let nodes = Self.row(layers).map { node in
      var node = node
      node.rule.decay = decays[node.name] ?? 0
      return node
    }
    try self.init(input: input, nodes: nodes)
  }

  /// A row of layers, each on the output of the one before.
  /// - Parameter layers: with names; nil makes them as Keras does (`conv2d`, `conv2d_1`, ...).
  package static func row(_ layers: [(name: String?, layer: any Layer)]) -> [Node] {
    var counts: [String: Int] = [:]
    return layers.enumerated().map { place, named in
      let kind = named.layer.kerasName
      let index = counts[kind, default: 0]
      counts[kind] = index + 1
      return Node(
        name: named.name ?? (index == 0 ? kind : "\(kind)_\(index)"), layer: named.layer,
        inputs: [place == 0 ? .picture : .node(place - 1)])
    }
  }

  /// A graph of layers.
  /// - Parameters:
  ///   - nodes: each after those that it reads; the last one's output is the model's. They are
  ///     put into Keras's order.
  ///   - range: of the pictures' numbers.
  /// - Throws: `ArchitectureError` naming the first layer that does not fit.
  package init(input: Shape, nodes: [Node], range: InputRange = .unit) throws {
    guard range.low < range.high, range.low.isFinite, range.high.isFinite else {
      throw ArchitectureError("an input from \(range.low) to \(range.high)")
    }
    self.input = input
    self.range = range
    var nodes = Self.inKerasOrder(nodes)
    var names: Set<String> = []
    for node in nodes where !names.insert(node.name).inserted {
      throw ArchitectureError("two layers have the same name, \(node.name)")
    }
    guard input.channels == 3, !input.isFlat, (1...4096).contains(input.height),
      (1...4096).contains(input.width)
    else {
      throw ArchitectureError("the input must be height x width x 3, not \(input)")
    }
    var outputs: [Shape] = []
    var tensors: [ParameterLayout.Tensor] = []
    for (place, node) in nodes.enumerated() {
      let name = node.name
      let (output, added) = try Self.applied(node, place, input, outputs)
      for size in added.map(\.shape) + [[output.height, output.width, output.channels]]
      where size.reduce(1, { $0 * Double($1) }) > Self.floatsMax {
        throw ArchitectureError(
          "\(name): \(size.map(String.init).joined(separator: " x ")) numbers are too many")
      }
      outputs.append(output)
      try Self.check(node.rule, of: name)
      tensors += added.map { tensor in
        var tensor = tensor
        tensor.rule = node.rule
        let initializer = node.initializers[tensor.kind]
        tensor.initializer = initializer == .standard(tensor.kind) ? nil : initializer
        if !tensor.kind.isKernel { tensor.rule.decay = 0 }
        tensor.isFrozen = tensor.isFrozen || node.isFrozen
        return tensor
      }
      let kinds = Set(added.map(\.kind))
      nodes[place].initializers = node.initializers.filter {
        kinds.contains($0.key) && $0.value != .standard($0.key)
      }
      // Where nothing is there to freeze, to decay or to update, saying so makes no other model.
      if added.allSatisfy(\.isFrozen) { nodes[place].isFrozen = false }
      if node.isFrozen || added.allSatisfy(\.isFrozen) {
        nodes[place].rule.rate = 1
        nodes[place].rule.frozenUpdates = 0
      }
      if !added.contains(where: \.kind.isKernel) { nodes[place].rule.decay = 0 }
    }
    let activation = (nodes.last?.layer.operations.last as? ActivationOperation)?.activation
    guard let last = outputs.last, last.isFlat, let activation,
      let loss = Losses.fitting(units: last.channels, activation: activation)
    else {
      let heads = Losses.all.map { $0.head }.joined(separator: " or ")
      throw ArchitectureError("the last layer must be \(heads)")
    }
    self.loss = loss
    self.nodes = nodes
    self.outputs = outputs
    parameters = ParameterLayout(tensors)
  }

  private static func check(_ rule: UpdateRule, of name: String) throws {
    guard rule.decay >= 0, rule.decay.isFinite else {
      throw ArchitectureError("\(name): a weight decay of \(rule.decay); it must be at least 0")
    }
    guard rule.rate > 0, rule.rate.isFinite else {
      throw ArchitectureError("\(name): a learning rate times \(rule.rate); it must be above 0")
    }
    guard rule.frozenUpdates >= 0 else {
      throw ArchitectureError("\(name): it is frozen for \(rule.frozenUpdates) updates")
    }
  }

  /// The output and the tensors of one node on those before it.
  private static func applied(
    _ node: Node, _ place: Int, _ input: Shape, _ outputs: [Shape]
  ) throws -> (output: Shape, tensors: [ParameterLayout.Tensor]) {
    let counts = type(of: node.layer).inputCounts
    guard counts.contains(node.inputs.count) else {
      throw ArchitectureError("\(node.name): \(node.inputs.count) inputs, which it does not take")
    }
    let shapes = try node.inputs.map { value in
      switch value {
      case .picture: return input
      case .node(let number):
        guard (0..<place).contains(number) else {
          throw ArchitectureError("\(node.name): it reads a layer that does not come before it")
        }
        return outputs[number]
      }
    }
    do {
      return try node.layer.applied(to: shapes, name: node.name)
    } catch let error as ArchitectureError {
      throw ArchitectureError("\(node.name): \(error)")
    }
  }

  /// The layers with their names, in order.
  package var layers: [(name: String, layer: any Layer)] { nodes.map { ($0.name, $0.layer) } }

  /// What computes it.
  /// - Parameter endsInLogits: whether the last layer's sigmoid or softmax is left to the loss.
  func graph(endsInLogits: Bool = true) -> OperationGraph {
    var graph = OperationGraph(
      input: input, layers: nodes, output: .node(nodes.count - 1), endsInLogits: endsInLogits)
    graph.readPictures(in: range)
    return graph
  }

  /// The convnet of Deep Learning with Python by F Chollet, section 5.2.
  ///
  /// It has 3,453,121 parameters for two classes of pictures of 150 x 150 x 3. For more classes it
  /// ends in one softmax, a unit for each.
  public static func book(
    height: Int = 150, width: Int = 150, classes: Int = 2
  ) throws -> Architecture {
    var layers: [(name: String?, layer: any Layer)] = []
    for filters in [32, 64, 128, 128] {
      layers.append((nil, .convolution(Convolution(filters: filters))))
      layers.append((nil, .maxPooling(size: 2)))
    }
    layers.append((nil, .flatten))
    layers.append((nil, .dense(units: 512, activation: .relu)))
    layers.append((nil, .head(classes: classes)))
    return try Architecture(
      input: Shape(height: height, width: width, channels: 3), layers: layers)
  }

  /// The same model with dropout before its classifier, the first dense layer, where it has one.
  /// - Throws: `ArchitectureError` where it has dropout already, or the rate is none.
  public func addingDropout(_ rate: Float) throws -> Architecture {
    for node in nodes where node.layer is Dropout {
      throw ArchitectureError("the model has dropout of its own, \(node.name): leave out --dropout")
    }
    let place = nodes.firstIndex { $0.layer is Dense } ?? 0
    let dropout = Dropout(rate: rate)
    let added = Node(name: dropout.kerasName, layer: dropout, inputs: nodes[place].inputs)
    func moved(_ value: Value) -> Value {
      guard case .node(let number) = value, number >= place else { return value }
      return .node(number + 1)
    }
    var nodes = nodes.enumerated().map { index, node in
      var node = node
      node.inputs = index == place ? [.node(place)] : node.inputs.map(moved)
      return node
    }
    nodes.insert(added, at: place)
    return try Architecture(input: input, nodes: nodes, range: range)
  }

  /// The same model with the decay of all kernels' weights in the loss.
  /// - Throws: `ArchitectureError` where it has some already, or the factor is none.
  public func addingDecay(_ decay: Float) throws -> Architecture {
    if let node = nodes.first(where: { $0.rule.decay > 0 }) {
      throw ArchitectureError(
        "the model has weight decay of its own, in \(node.name): leave out --weight-decay")
    }
    return try changingNodes { $0.rule.decay = decay }
  }

  /// The same model with something else about its layers.
  func changingNodes(_ change: (inout Node) -> Void) throws -> Architecture {
    try Architecture(
      input: input,
      nodes: nodes.map { node in
        var node = node
        change(&node)
        return node
      }, range: range)
  }

  /// The same model, fed other numbers.
  public func feeding(_ range: InputRange) throws -> Architecture {
    try Architecture(input: input, nodes: nodes, range: range)
  }

  /// Whether the loss has squares of weights.
  public var hasDecay: Bool { parameters.tensors.contains { $0.rule.decay > 0 && !$0.isFrozen } }

  /// Equal input, and equal layers with equal names and inputs.
  public static func == (a: Self, b: Self) -> Bool {
    a.input == b.input && a.range == b.range && a.nodes == b.nodes
  }

  /// Hashes the input and the layers.
  public func hash(into hasher: inout Hasher) {
    hasher.combine(input)
    hasher.combine(nodes)
  }
}

/// A model that cannot be built; `description` says which layer and why.
public struct ArchitectureError: Error, CustomStringConvertible {
  /// One line for the user.
  public let description: String
  /// An error that says `description`.
  public init(_ description: String) { self.description = description }
}
