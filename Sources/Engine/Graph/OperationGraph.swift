/// A map of the graph: the picture, or what a node puts out.
package enum Value: Hashable, Sendable {
  /// The model's input.
  case picture
  /// The output of the node of this number.
  case node(Int)
}

/// A model as its stages compute it: layers taken apart into operations, and operations put
/// together that one stage computes.
///
/// Work that never reaches the loss is left out: layers that nothing reads, and rows and columns,
/// as pooling by 2 drops the last of an odd map, and with it the border of every map above. What is
/// needed is computed backwards from the output, exactly, for any model.
struct OperationGraph {
  struct Node {
    /// The layers that it computes.
    var names: [String]
    /// The layer whose tensors it has: the first of them.
    let layer: String
    /// Its place among the model's layers.
    let place: Int
    var operation: any Operation
    var inputs: [Value]
    /// The shape of what it puts out.
    var output: Shape
  }

  /// The picture's shape.
  let input: Shape
  /// Each after those that it reads.
  private(set) var nodes: [Node] = []
  /// What the loss reads.
  private(set) var output: Value
  /// What the picture's bytes become.
  private(set) var reading = InputRange.unit.reading

  /// - Parameter endsInLogits: whether the last layer's sigmoid or softmax is left to the loss.
  init(
    input: Shape, layers: [Architecture.Node], output last: Value, endsInLogits: Bool
  ) {
    self.input = input
    output = last
    var values: [Value: Value] = [.picture: .picture]
    let reached = Self.reached(layers, from: last)
    for (place, layer) in layers.enumerated() where reached.contains(.node(place)) {
      var inputs = layer.inputs.map { values[$0] ?? .picture }
      for operation in layer.layer.operations {
        if endsInLogits, last == .node(place), Self.belongsToLoss(operation) { continue }
        let shape = operation.output(of: inputs.map(shape))
        nodes.append(
          Node(
            names: [layer.name], layer: layer.name, place: place, operation: operation,
            inputs: inputs, output: shape))
        inputs = [.node(nodes.count - 1)]
      }
      values[.node(place)] = inputs[0]
    }
    output = values[last] ?? .picture
    fuse()
    avoidLongCoarseChains()
  }

  /// Makes floats of pictures' bytes in a range, and takes over the scaling that follows.
  mutating func readPictures(in range: InputRange) {
    reading = range.reading
    while let first = nodes.first, first.inputs == [.picture],
      let scaling = (first.operation as? RescalingOperation)?.ofAll,
      readers[.picture, default: []].count == 1, output != .node(0)
    {
      reading = reading.then(scaling)
      nodes.removeFirst()
      func moved(_ value: Value) -> Value {
        guard case .node(let number) = value else { return value }
        return number == 0 ? .picture : .node(number - 1)
      }
      for index in nodes.indices { nodes[index].inputs = nodes[index].inputs.map(moved) }
      output = moved(output)
    }
  }

  /// Whether the loss applies it to a model's last sums itself.
  private static func belongsToLoss(_ operation: any Operation) -> Bool {
    let activation = (operation as? ActivationOperation)?.activation
    return activation == .sigmoid || activation == .softmax
  }

  /// The values that `last` is computed from.
  private static func reached(_ layers: [Architecture.Node], from last: Value) -> Set<Value> {
    var reached: Set<Value> = [last]
    for (place, layer) in layers.enumerated().reversed()
    where reached.contains(.node(place)) {
      reached.formUnion(layer.inputs)
    }
    return reached
  }

  private func shape(_ value: Value) -> Shape {
    switch value {
    case .picture: input
    case .node(let index): nodes[index].output
    }
  }

  /// Puts together what one stage computes.
  private mutating func fuse() {
    var index = 0
    while index < nodes.count {
      let readers = readers[.node(index), default: []]
      guard output != .node(index), readers.count == 1, nodes[readers[0]].inputs.count == 1,
        let both = nodes[index].operation.absorbing(nodes[readers[0]].operation)
      else {
        index += 1
        continue
      }
      let next = nodes.remove(at: readers[0])
      nodes[index].operation = both
      nodes[index].output = next.output
      if nodes[index].names.last != next.names.last { nodes[index].names += next.names }
      // Those behind the one that is gone move up.
      func moved(_ value: Value) -> Value {
        guard case .node(let number) = value, number >= readers[0] else { return value }
        return .node(number == readers[0] ? index : number - 1)
      }
      for other in nodes.indices { nodes[other].inputs = nodes[other].inputs.map(moved) }
      output = moved(output)
    }
  }

  /// The most convolutions one after the other among which some may be computed by Winograd's.
  ///
  /// It rounds some twenty times as coarsely as sums do, and each layer behind it makes more of
  /// that, as it flips relus and maxima. Of ResNet50 and DenseNet121, with 50 and 120, the gradient
  /// was several times as far from float64's as with sums, which take a quarter more time.
  private static let longestCoarseChain = 40

  /// Has all convolutions computed by sums where they are many, one after the other.
  private mutating func avoidLongCoarseChains() {
    var lengths: [Int] = []
    for node in nodes {
      let before = node.inputs.map { value in
        if case .node(let index) = value { lengths[index] } else { 0 }
      }
      lengths.append((before.max() ?? 0) + (node.operation.isConvolution ? 1 : 0))
    }
    guard lengths.max() ?? 0 > Self.longestCoarseChain else { return }
    for index in nodes.indices {
      let input = shape(nodes[index].inputs[0])
      nodes[index].operation =
        nodes[index].operation.bySums(of: input) ?? nodes[index].operation
    }
  }

  /// The nodes that read a value, in order; twice where one reads it twice.
  var readers: [Value: [Int]] {
    var readers: [Value: [Int]] = [:]
    for (index, node) in nodes.enumerated() {
      for value in node.inputs { readers[value, default: []].append(index) }
    }
    return readers
  }

  /// Whether a value is not stored: the only node that reads it has its rows made.
  ///
  /// Not where what frozen layers make of a picture is kept, and this is the last of it.
  func isMade(_ value: Value, _ readers: [Value: [Int]], _ trunk: Set<Value>) -> Bool {
    guard case .node(let index) = value, value != output, let reads = readers[value],
      reads.count == 1
    else { return false }
    return nodes[index].operation.makesRows && nodes[reads[0]].operation.readsMadeRows
      && nodes[index].inputs.count == 1
      && trunk.contains(value) == trunk.contains(.node(reads[0]))
  }

  /// Of each node the rows and columns of its output that reach the loss.
  var needed: [Extent] {
    var needed = [Extent](repeating: Extent(height: 0, width: 0), count: nodes.count)
    if case .node(let last) = output { needed[last] = nodes[last].output.extent }
    for (index, node) in nodes.enumerated().reversed() {
      for case .node(let read) in node.inputs {
        needed[read] = needed[read].union(
          node.operation.needed(of: nodes[read].output, for: needed[index]))
      }
    }
    return needed
  }

  /// The border of zeros that each value is read with.
  func borders(_ needed: [Extent]) -> [Value: FeatureMap.Border] {
    var borders: [Value: FeatureMap.Border] = [:]
    for (index, node) in nodes.enumerated() {
      for value in node.inputs {
        let border = node.operation.border(around: shape(value), for: needed[index])
        borders[value] = borders[value, default: .init()].union(border)
      }
    }
    return borders
  }

  /// The nodes that something trained is computed in or before.
  /// - Parameter input: whether the picture counts as trained.
  func trained(by gradients: GradientLayout, orInput input: Bool) -> Set<Value> {
    let layers = Set(gradients.buffer.tensors.map(\.layer))
    var trained: Set<Value> = []
    for (index, node) in nodes.enumerated() {
      let reads = node.inputs.contains { $0 == .picture ? input : trained.contains($0) }
      if reads || layers.contains(node.layer) { trained.insert(.node(index)) }
    }
    return trained
  }

  /// The nodes whose output for a picture never changes in a run: nothing trained or drawn is
  /// computed in or before them.
  ///
  /// None where they have no tensors, or others read the picture too:
  /// then nothing is saved by keeping it.
  func trunk(_ gradients: GradientLayout) -> Set<Value> {
    let trained = trained(by: gradients, orInput: false)
    let frozen = Set(gradients.parameters.tensors.filter(\.isFrozen).map(\.layer))
    var trunk: Set<Value> = []
    var hasTensors = false
    for (index, node) in nodes.enumerated() {
      let isTrunk =
        !trained.contains(.node(index)) && !node.operation.isRandom
        && node.inputs.allSatisfy { $0 == .picture || trunk.contains($0) }
      if isTrunk {
        trunk.insert(.node(index))
        hasTensors = hasTensors || frozen.contains(node.layer)
      } else if node.inputs.contains(.picture) {
        return []
      }
    }
    return hasTensors ? trunk : []
  }
}
