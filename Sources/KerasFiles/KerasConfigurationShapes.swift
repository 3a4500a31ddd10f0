// The layers of a `Sequential` in order, and the shape of its input, which Keras writes in up to
// five places: all of them must say the same.

import Engine

/// Takes the entries of a model's list one by one.
struct KerasLayersReader {
  private var entries: [(owner: String, build: JSON?)] = []
  private var layers: [(name: String?, layer: any Layer)] = []
  /// What each layer of a graph reads.
  private var inputs: [[String]] = []
  /// Whether the model is a graph, whose layers say what they read.
  private let isGraph: Bool
  private var inputName = ""

  /// Whether Keras 2 wrote the model.
  private let isKeras2: Bool

  init(isGraph: Bool, isKeras2: Bool) { (self.isGraph, self.isKeras2) = (isGraph, isKeras2) }

  /// By the layer's number.
  private var decays: [Int: Float] = [:]
  private var initializers: [[ParameterLayout.Kind: Initializer]] = []
  /// Numbers of the layers whose weights stay as they are.
  private var frozen: Set<Int> = []
  private var input: (shape: JSON, owner: String)?
  private var hasInputLayer = false

  /// Adds the next entry.
  mutating func add(_ entry: JSON, _ check: inout KerasArgumentCheck) throws {
    guard let kind = entry["class_name"]?.string, let config = entry["config"],
      config.object != nil
    else {
      throw KerasConfigurationError(
        "the model's configuration has a layer without class or settings")
    }
    let name = try Self.checked(config["name"])
    let reader = LayerReader(kind: kind, name: name, config: config, isKeras2: isKeras2)
    guard let known = KerasArgument.layers[kind] else { throw reader.unknownKind }
    try check.check(entry, of: reader.owner, layer: name, against: KerasArgument.entry)
    try check.check(config, of: reader.owner, layer: name, against: known)
    try takeShape(of: reader)
    guard kind != "InputLayer" else {
      guard layers.isEmpty, !hasInputLayer else {
        throw KerasConfigurationError(
          "\(reader.owner): a model has one input layer, which is its first")
      }
      hasInputLayer = true
      inputName = name ?? ""
      return
    }
    let layer = try reader.layer()
    if let decay = try reader.decay(of: layer) { decays[layers.count] = decay }
    if try !reader.flag("trainable", default: true) { frozen.insert(layers.count) }
    initializers.append(reader.initializers())
    layers.append((name, layer))
    if isGraph { inputs.append(try KerasInbound.names(of: entry, reader.owner)) }
    entries.append((reader.owner, entry["build_config"]?["input_shape"]))
  }

  /// Says that the weights of all layers so far stay as they are.
  mutating func freezeAll() { frozen.formUnion(layers.indices) }

  /// Takes the shape that a layer's arguments give for its input.
  private mutating func takeShape(of reader: LayerReader) throws {
    for argument in ["batch_shape", "batch_input_shape"] {
      guard let shape = reader.config[argument] else { continue }
      let said = "\(reader.owner): \(argument) is \(shape.shown)"
      guard layers.isEmpty else {
        throw KerasConfigurationError("\(said): only a model's first layer has one")
      }
      if let batch = shape.array?.first, batch != .null, batch.integer.map({ $0 > 0 }) != true {
        throw KerasConfigurationError("\(said), whose first number is a batch's pictures, or null")
      }
      if let input, !Self.agree(shape, input.shape) {
        throw KerasConfigurationError("\(said), but \(input.owner) has \(input.shape.shown)")
      }
      input = input ?? (shape, reader.owner)
    }
  }

  /// The model.
  /// - Parameters:
  ///   - built: the input's shapes that stand beside the layers.
  ///   - ends: the names of a graph's input and output.
  func architecture(
    built: [JSON], ends: (input: String, output: String)? = nil
  ) throws -> Architecture {
    for shape in built {
      guard let input else { continue }
      guard Self.agree(shape, input.shape) else {
        throw KerasConfigurationError(
          "the model's build_input_shape is \(shape.shown), but \(input.owner) has "
            + input.shape.shown)
      }
    }
    if built.count == 2, !Self.agree(built[0], built[1]) {
      throw KerasConfigurationError(
        "the model's build_input_shape is \(built[0].shown), but its build_config has "
          + built[1].shown)
    }
    let (architecture, numbers) = try graph(try Self.shape(input?.shape ?? built.first), ends)
    for node in architecture.nodes where node.inputs.count == 1 {
      guard let number = numbers[node.name] else { continue }
      let shape =
        if case .node(let read) = node.inputs[0] { architecture.outputs[read] } else {
          architecture.input
        }
      let sizes = shape.isFlat ? [shape.channels] : [shape.height, shape.width, shape.channels]
      let (owner, build) = entries[number]
      if let build, !Self.agree(build, .array([.null] + sizes.map(JSON.integer))) {
        throw KerasConfigurationError(
          "\(owner): build_config has the input \(build.shown), but the layers before it "
            + "give \(sizes)")
      }
    }
    return architecture
  }

  private static func numbered(_ names: [String]) -> [String: Int] {
    Dictionary(uniqueKeysWithValues: names.enumerated().map { ($1, $0) })
  }

  /// The layers in order, and the number of each in the file.
  private func graph(
    _ input: Shape, _ ends: (input: String, output: String)?
  ) throws -> (Architecture, numbers: [String: Int]) {
    do {
      guard let ends else {
        let nodes = Architecture.row(layers).enumerated().map { settled($1, number: $0) }
        return (
          try Architecture(input: input, nodes: nodes), Self.numbered(nodes.map(\.name))
        )
      }
      guard ends.input == inputName else {
        throw KerasConfigurationError(
          "the model's input is \(ends.input), but its input layer is called \(inputName)")
      }
      let named = try zip(layers, inputs).enumerated().map { number, entry in
        guard let name = entry.0.name else {
          throw KerasConfigurationError("\(entries[number].owner): a layer of a graph needs a name")
        }
        return (name: name, inputs: entry.1)
      }
      let order = try KerasGraph.order(named, input: ends.input, output: ends.output)
      let nodes = order.map { number, inputs in
        settled(
          Architecture.Node(name: named[number].name, layer: layers[number].layer, inputs: inputs),
          number: number)
      }
      return (try Architecture(input: input, nodes: nodes), Self.numbered(named.map(\.name)))
    } catch let error as ArchitectureError {
      throw KerasConfigurationError("the model cannot be built: \(error)")
    }
  }

  /// A node with what the file says of training the layer of this number.
  private func settled(_ node: Architecture.Node, number: Int) -> Architecture.Node {
    var node = node
    node.rule.decay = decays[number] ?? 0
    node.initializers = initializers[number]
    node.isFrozen = frozen.contains(number)
    return node
  }

  /// Whether two shapes are the same where neither leaves a size open; the batch does not count.
  private static func agree(_ a: JSON, _ b: JSON) -> Bool {
    guard let a = sizes(a), let b = sizes(b), a.count == b.count else { return false }
    return zip(a, b).dropFirst().allSatisfy { $0 == $1 || $0 == .null || $1 == .null }
  }

  /// The sizes of a shape; some versions of tf.keras write it as an object.
  private static func sizes(_ shape: JSON) -> [JSON]? { shape.array ?? shape["items"]?.array }

  private static func shape(_ json: JSON?) throws -> Shape {
    let sizes = json.flatMap(sizes)?.dropFirst().map(\.integer)
    guard let sizes, sizes.count == 3, let height = sizes[0], let width = sizes[1],
      let channels = sizes[2]
    else {
      throw KerasConfigurationError(
        "the model's input is \(json?.shown ?? "not given"), not [null, height, width, 3]")
    }
    return Shape(height: height, width: width, channels: channels)
  }

  /// A layer's name, which becomes the name of a group in HDF5 and a line of `summary`.
  private static func checked(_ name: JSON?) throws -> String? {
    guard let name else { return nil }
    let isPlain = name.string?.unicodeScalars.allSatisfy {
      $0 != "/" && $0.properties.generalCategory != .control
    }
    guard let text = name.string, isPlain == true, !["", ".", ".."].contains(text),
      text.utf8.count <= 255
    else {
      throw KerasConfigurationError(
        "a layer is called \(name.shown): a name has 1 to 255 bytes, no slash and no control "
          + "character, and is not . or ..")
    }
    return text
  }
}
