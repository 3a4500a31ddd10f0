// A model as Keras writes it down: the JSON of a `Sequential`, in `model_config` and `to_json()`.

import Engine

/// A configuration that describes no model that Dogsled has; `description` says what and where.
public struct KerasConfigurationError: Error, CustomStringConvertible {
  /// One line for the user.
  public let description: String
  /// An error that says `description`.
  public init(_ description: String) { self.description = description }
}

/// `Architecture` from and to Keras's JSON.
public enum KerasConfiguration {
  /// 1 GiB of weights: more is neither sent nor read.
  private static let parametersMax = 1 << 28
  /// Our own argument of a model.
  static let inputRange = "dogsled_input_range"
  /// The deepest of Keras's own models has some 700.
  private static let layersMax = 10_000

  /// The JSON of a model that Keras 2 and Keras 3 read; equal for equal architectures.
  ///
  /// A row of layers is a `Sequential`, any other graph a `Functional`.
  public static func encode(_ architecture: Architecture) -> String { json(architecture).text }

  /// The same before it is text.
  static func json(_ architecture: Architecture) -> JSON {
    let input = architecture.input
    let isGraph = !architecture.isRow
    var layers: [JSON] = [
      [
        "class_name": "InputLayer",
        "config": [
          "name": .string(architecture.inputName), "dtype": "float32",
          "batch_input_shape": [
            nil, .integer(input.height), .integer(input.width), .integer(input.channels),
          ],
        ],
      ]
    ]
    if isGraph {
      layers[0] = layers[0].adding(
        ["name": .string(architecture.inputName), "inbound_nodes": []])
    }
    for node in architecture.nodes {
      guard let layer = node.layer as? any KerasLayer else { continue }
      let name = node.name
      var config = layer.configuration
      config["name"] = .string(name)
      if layer.takesTrainable { config["trainable"] = .bool(!node.isFrozen) }
      config["dtype"] = "float32"
      for regularizer in type(of: layer).regularizers where node.rule.decay > 0 {
        config[regularizer] = [
          "module": "keras.regularizers", "class_name": "L2", "registered_name": nil,
          "config": ["l2": JSON(shortest: node.rule.decay)],
        ]
      }
      for (argument, kind) in KerasInitializer.arguments {
        config[argument] = node.initializers[kind].map(KerasInitializer.json) ?? config[argument]
      }
      var entry: JSON = ["class_name": .string(layer.kerasClass), "config": .object(config)]
      if isGraph {
        // As Keras 2 has it, which Keras 3 reads too.
        let inputs = node.inputs.map { reference(architecture.name(of: $0)) }
        entry = entry.adding(["name": .string(name), "inbound_nodes": [.array(inputs)]])
      }
      layers.append(entry)
    }
    let own = ownArguments(architecture)
    guard isGraph else {
      let model: JSON = [
        "class_name": "Sequential",
        "config": ["name": "sequential", "layers": .array(layers)],
      ]
      return model.adding(own)
    }
    let last = architecture.name(of: .node(architecture.nodes.count - 1))
    let model: JSON = [
      "class_name": "Functional",
      "config": [
        "name": "functional", "layers": .array(layers),
        "input_layers": [end(architecture.inputName)], "output_layers": [end(last)],
      ],
    ]
    return model.adding(own)
  }

  /// What Keras does not look at.
  private static func ownArguments(_ architecture: Architecture) -> [String: JSON] {
    var own: [String: JSON] = [:]
    if architecture.range != .unit {
      own[inputRange] = [
        JSON(shortest: architecture.range.low), JSON(shortest: architecture.range.high),
      ]
    }
    let rules = KerasUpdateRules.json(architecture)
    if !rules.isEmpty { own[KerasUpdateRules.argument] = .object(rules) }
    return own
  }

  /// The range that the model's file says, or its first layer: a network that multiplies pixels by
  /// a 255th, or less than a 64th at all, wants bytes.
  private static func range(_ model: JSON, _ architecture: Architecture) throws -> InputRange {
    if let said = model[inputRange] {
      guard let ends = said.array?.map(\.number), ends.count == 2, let low = ends[0],
        let high = ends[1], low < high, Float(low).isFinite, Float(high).isFinite
      else {
        throw KerasConfigurationError(
          "the model's \(inputRange) is \(said.shown): it must be two numbers, the lower first")
      }
      return InputRange(low: Float(low), high: Float(high))
    }
    // Random layers leave the range as it is.
    let first = architecture.nodes.first { !($0.layer is RandomLayer) }?.layer as? Rescaling
    let scale = first?.scale.map(abs).max() ?? 1
    return scale < 1 / 64 ? .bytes : .unit
  }

  /// One that a layer reads: name, node, tensor and arguments of the call.
  private static func reference(_ name: String) -> JSON {
    [.string(name), 0, 0, .object([:])]
  }

  private static func end(_ name: String) -> JSON { [.string(name), 0, 0] }

  /// The layers of a model whose weights are given, or drawn by Dogsled.
  /// - Throws: as `read`.
  public static func decode(_ json: String) throws -> Architecture { try read(json).architecture }

  /// Reads what Keras 2 and Keras 3 write for a `Sequential` or a graph of the layers in
  /// `KerasLayers`.
  /// - Parameters:
  ///   - training: the text of an .h5 file's `training_config`.
  ///   - kerasVersion: the file's; JSON may have its own.
  /// - Throws: `KerasConfigurationError` naming a layer and an argument that
  ///   Dogsled does not have or know.
  public static func read(
    _ json: String, training: String? = nil, kerasVersion: String? = nil
  ) throws -> KerasModel {
    var model = try JSON(parsing: json, as: "the model's configuration")
    var check = KerasArgumentCheck()
    let nested = try KerasNesting.flattened(model, &check)
    if let nested { model = nested.model }
    let kind = model["class_name"]?.string ?? "something unknown"
    // Keras 2 calls a graph Model too.
    let isGraph = ["Functional", "Model"].contains(kind)
    guard kind == "Sequential" || isGraph, let config = model["config"] else {
      throw KerasConfigurationError(
        "the model is \(kind.prefix(40)): only Keras's Sequential and Functional can be read")
    }
    // Before Keras 2.2.3 the configuration was the bare list of layers.
    guard let entries = config.array ?? config["layers"]?.array else {
      throw KerasConfigurationError("the model's configuration has no list of layers")
    }
    // Before anything is built of them.
    guard entries.count <= layersMax else {
      throw KerasConfigurationError(
        "the model has \(entries.count) layers: Dogsled has at most \(layersMax)")
    }
    try check.check(model, of: "the model", against: KerasArgument.model)
    if config.object != nil {
      try check.check(
        config, of: "the model",
        against: isGraph ? KerasArgument.functional : KerasArgument.sequential)
    }
    let version = model["keras_version"]?.string ?? kerasVersion ?? ""
    var reader = KerasLayersReader(isGraph: isGraph, isKeras2: version.hasPrefix("2."))
    for entry in entries { try reader.add(entry, &check) }
    if config["trainable"] == false { reader.freezeAll() }
    let built = [config["build_input_shape"], model["build_config"]?["input_shape"]]
    let ends =
      isGraph
      ? (
        input: try KerasInbound.single(config["input_layers"], "input_layers"),
        output: try KerasInbound.single(config["output_layers"], "output_layers")
      ) : nil
    let plain = try reader.architecture(built: built.compactMap(\.self), ends: ends)
    let architecture = try KerasUpdateRules.applied(
      model[KerasUpdateRules.argument], to: plain.feeding(range(model, plain)))
    let parameters = architecture.parameters.parameterCount
    guard parameters <= parametersMax else {
      throw KerasConfigurationError(
        "the model has \(parameters) parameters: Dogsled trains at most \(parametersMax)")
    }
    var optimizer: (any Optimizer)?
    let loss = type(of: architecture.loss)
    if let compiled = model["compile_config"] {
      optimizer = try check.compiled(compiled, "compile_config", loss: loss)
    }
    if let training {
      optimizer = try check.compiled(
        try JSON(parsing: training, as: "training_config"), "training_config", loss: loss)
    }
    return KerasModel(
      architecture: architecture, untaken: check.untaken, optimizer: optimizer,
      labelSmoothing: check.labelSmoothing, stored: nested?.layers)
  }
}

extension Architecture {
  /// Whether each layer reads the one before it.
  fileprivate var isRow: Bool {
    nodes.enumerated().allSatisfy { $1.inputs == [$0 == 0 ? .picture : .node($0 - 1)] }
  }

  /// The name of the layer that has a value.
  fileprivate func name(of value: Value) -> String {
    if case .node(let number) = value { nodes[number].name } else { inputName }
  }

  /// Keras's default name of an input, or with a number where a layer is called so.
  fileprivate var inputName: String {
    let names = Set(nodes.map(\.name))
    let free = (0...nodes.count).lazy.map { $0 == 0 ? "input_layer" : "input_layer_\($0)" }
    return free.first { !names.contains($0) } ?? ""
  }
}

extension JSON {
  /// An object with more members, or others.
  func adding(_ members: [String: JSON]) -> JSON {
    .object((object ?? [:]).merging(members) { $1 })
  }
}
