// Models within a model, taken apart: `base(x)` of a functional model, or the first entry of a
// `Sequential` that is a whole model, as feature extraction has it.

import Engine

/// Makes one graph of a model and the models in it.
struct KerasNesting {
  private static let kinds = ["Functional": "functional", "Model": "functional"].merging([
    "Sequential": "sequential"
  ]) { $1 }

  /// A layer whose inputs are not named yet: models may be read before their end.
  private struct Pending {
    let entry: JSON
    let owner: String
    let name: String
    let inputs: [String]
    let isFrozen: Bool
  }

  private var pending: [Pending] = []
  private var inputLayer: JSON?
  /// The names of layers here, by the path of models that leads to them in the file.
  private var names: [String: String] = [:]
  /// What a model's input and output, by path, stand for.
  private var aliases: [String: String] = [:]
  private var used: Set<String>

  /// The same model without models in it, and how its file has them; nil where it has none.
  /// - Throws: `KerasConfigurationError` for a model that is used more than once, or that cannot be
  ///   taken apart.
  static func flattened(
    _ model: JSON, _ check: inout KerasArgumentCheck
  ) throws -> (model: JSON, layers: [StoredLayer])? {
    guard let kind = model["class_name"]?.string, kinds[kind] != nil, let config = model["config"],
      let entries = config.array ?? config["layers"]?.array,
      entries.contains(where: { isModel($0) })
    else { return nil }
    let own = entries.filter { !isModel($0) }.compactMap { $0["config"]?["name"]?.string }
    var nesting = KerasNesting(used: Set(own))
    let isGraph = kind != "Sequential"
    let input = isGraph ? "" : try nesting.takeInput(of: entries, config)
    let (output, layers) = try nesting.expand(
      config, entries, isGraph: isGraph, path: "", reads: input.isEmpty ? nil : input,
      isFrozen: config["trainable"] == false, &check)
    let flat = try nesting.pending.map { try nesting.settled($0) }
    guard let inputLayer = nesting.inputLayer else {
      throw KerasConfigurationError("the model has no input layer")
    }
    let name = inputLayer["config"]?["name"] ?? nil
    let last = JSON.string(try nesting.resolved(output, by: "the model's output"))
    let kept = (config.object ?? [:]).filter { ["name", "trainable", "dtype"].contains($0.key) }
    let graph = JSON.object(kept).adding([
      "layers": .array([inputLayer] + flat), "input_layers": [[name, 0, 0]],
      "output_layers": [[last, 0, 0]],
    ])
    return (model.adding(["class_name": "Functional", "config": graph]), layers)
  }

  private init(used: Set<String>) { self.used = used }

  private static func isModel(_ entry: JSON) -> Bool {
    entry["class_name"]?.string.map { kinds[$0] != nil } ?? false
  }

  // MARK: Going through the layers

  /// Takes all layers of a model.
  /// - Parameters:
  ///   - path: of the models that it is in.
  ///   - reads: the path of what its input stands for; nil for the outermost.
  /// - Returns: the path of its output.
  private mutating func expand(
    _ config: JSON, _ entries: [JSON], isGraph: Bool, path: String, reads: String?,
    isFrozen: Bool, _ check: inout KerasArgumentCheck
  ) throws -> (output: String, layers: [StoredLayer]) {
    let models = Set(
      entries.filter { Self.isModel($0) }.compactMap { $0["config"]?["name"]?.string })
    var layers: [StoredLayer] = []
    var seen: Set<String> = []
    var last = reads
    for entry in entries {
      guard let kind = entry["class_name"]?.string, let own = entry["config"],
        let name = own["name"]?.string
      else {
        throw KerasConfigurationError(
          "the model's configuration has a layer without class, name or settings")
      }
      guard seen.insert(name).inserted else {
        throw KerasConfigurationError("two layers have the same name, \(name.oneLine)")
      }
      let key = "\(path)/\(name)"
      let owner = "layer \(kind.prefix(40)) \(name.oneLine)"
      guard kind != "InputLayer" else {
        if path.isEmpty {
          if inputLayer == nil { inputLayer = entry.adding(["inbound_nodes": []]) }
          names[key] = name
        } else {
          aliases[key] = reads
        }
        last = key
        continue
      }
      let isStill = isFrozen || own["trainable"] == false
      let training = Self.withoutTraining(entry)
      let inputs =
        isGraph
        ? try KerasInbound.names(
          of: Self.isModel(entry) ? training.entry : entry, owner, models: models
        ).map { "\(path)/\($0)" } : [last].compactMap(\.self)
      if let model = Self.kinds[kind] {
        guard inputs.count == 1 else {
          throw KerasConfigurationError(
            "\(owner): it reads \(inputs.count) layers; Dogsled takes models with one input")
        }
        let (output, inner) = try expand(
          model: entry, own, owner, path: key, reads: inputs[0], isFrozen: isStill, &check)
        if training.isOff { refuseTraining(own, owner, name, isFrozen: isStill, &check) }
        aliases[key] = output
        layers.append(StoredLayer(name: name, content: .model(kind: model, inner)))
      } else {
        let unique = unusedName(for: name, path: path)
        names[key] = unique
        pending.append(
          Pending(entry: entry, owner: owner, name: unique, inputs: inputs, isFrozen: isStill))
        layers.append(StoredLayer(name: name, content: .layer(name: unique)))
      }
      last = key
    }
    var output = last
    if isGraph {
      let name = try KerasInbound.single(
        config["output_layers"], "output_layers", models: models)
      output = "\(path)/\(name)"
    }
    guard let output else { throw KerasConfigurationError("a model in the model has no layers") }
    return (output, layers)
  }

  /// Takes a model in the model.
  private mutating func expand(
    model entry: JSON, _ config: JSON, _ owner: String, path: String, reads: String,
    isFrozen: Bool, _ check: inout KerasArgumentCheck
  ) throws -> (output: String, layers: [StoredLayer]) {
    let isGraph = entry["class_name"] != "Sequential"
    try check.check(entry, of: owner, against: KerasArgument.model)
    try check.check(
      config, of: owner,
      against: isGraph ? KerasArgument.functional : KerasArgument.sequential)
    guard let entries = config["layers"]?.array else {
      throw KerasConfigurationError("\(owner): its configuration has no list of layers")
    }
    if isGraph { _ = try KerasInbound.single(config["input_layers"], "input_layers of \(owner)") }
    return try expand(
      config, entries, isGraph: isGraph, path: path, reads: reads, isFrozen: isFrozen, &check)
  }

  /// The input layer of a `Sequential`: its own, else what its first model has, or the shape that
  /// it was built with.
  private mutating func takeInput(of entries: [JSON], _ config: JSON) throws -> String {
    var first = entries.first
    while let entry = first, Self.isModel(entry) {
      first = entry["config"]?["layers"]?.array?.first
    }
    let found = first.flatMap { $0["class_name"] == "InputLayer" ? $0 : nil }
    let shape = config["build_input_shape"] ?? first?["config"]?["batch_input_shape"]
    guard let entry = found ?? shape.map({ ["config": ["batch_shape": $0]] }) else { return "" }
    let name = entries.first == entry ? entry["config"]?["name"]?.string : nil
    let unique = name ?? unusedName(for: "input_layer", path: "")
    let settings = (entry["config"] ?? [:]).adding(["name": .string(unique)])
    inputLayer = [
      "class_name": "InputLayer", "name": .string(unique), "config": settings, "inbound_nodes": [],
    ]
    names["/\(unique)"] = unique
    return "/\(unique)"
  }

  // MARK: Names

  /// A name that no other layer has: its own where that is free, else with the model's before it.
  private mutating func unusedName(for name: String, path: String) -> String {
    // Those of the outermost model are its own.
    if path.isEmpty, used.contains(name) { return name }
    let models = path.split(separator: "/").joined(separator: "_")
    let long = models.isEmpty ? name : "\(models)_\(name)"
    var unique = used.contains(name) ? long : name
    var number = 1
    while used.contains(unique) {
      unique = "\(long)_\(number)"
      number += 1
    }
    used.insert(unique)
    return unique
  }

  /// The name of the layer at a path, through the inputs and outputs of models.
  private func resolved(_ path: String, by owner: String) throws -> String {
    var place = path
    var steps = 0
    while let next = aliases[place] {
      (place, steps) = (next, steps + 1)
      guard steps <= aliases.count else {
        throw KerasConfigurationError("\(owner): models read each other, in a circle")
      }
    }
    guard let name = names[place] else {
      let asked = place.split(separator: "/").last.map(String.init) ?? ""
      throw KerasConfigurationError(
        "\(owner) reads \(asked.oneLine), which is none of the model's")
    }
    return name
  }

  /// The entry of a layer in the one graph.
  private func settled(_ layer: Pending) throws -> JSON {
    let inputs = try layer.inputs.map { input in
      JSON.array([.string(try resolved(input, by: layer.owner)), 0, 0, .object([:])])
    }
    var config = layer.entry["config"]?.object ?? [:]
    // Of a model's first layer: what it reads has a shape.
    for argument in ["batch_shape", "batch_input_shape"] { config[argument] = nil }
    config["name"] = .string(layer.name)
    if layer.isFrozen { config["trainable"] = false }
    return layer.entry.adding([
      "name": .string(layer.name), "config": .object(config), "inbound_nodes": [.array(inputs)],
    ])
  }

  // MARK: Models that are called with training=False

  /// The entry without `training` in its call, and whether that was false.
  private static func withoutTraining(_ entry: JSON) -> (entry: JSON, isOff: Bool) {
    var isOff = false
    func without(_ arguments: JSON) -> JSON {
      guard var members = arguments.object else { return arguments }
      if members.removeValue(forKey: "training") == false { isOff = true }
      return .object(members)
    }
    func call(_ node: JSON) -> JSON {
      if let kwargs = node["kwargs"] { return node.adding(["kwargs": without(kwargs)]) }
      guard let parts = node.array else { return node }
      if parts.count == 4, parts[0].string != nil {
        return .array(Array(parts[..<3]) + [without(parts[3])])
      }
      return .array(parts.map(call))
    }
    guard let nodes = entry["inbound_nodes"]?.array else { return (entry, false) }
    return (entry.adding(["inbound_nodes": .array(nodes.map(call))]), isOff)
  }

  /// Refuses, in training, layers that compute otherwise there and that Keras calls as at
  /// inference.
  private func refuseTraining(
    _ config: JSON, _ owner: String, _ name: String, isFrozen: Bool,
    _ check: inout KerasArgumentCheck
  ) {
    func differs(_ config: JSON) -> Bool {
      (config["layers"]?.array ?? []).contains { entry in
        let kind = entry["class_name"]?.string ?? ""
        // What is frozen normalises as at inference in any case.
        return (kind == "BatchNormalization" && !isFrozen) || kind.contains("Dropout")
          || kind.hasPrefix("Random") || kind.hasPrefix("Gaussian")
          || entry["config"].map(differs) ?? false
      }
    }
    if differs(config) {
      check.refuseInTraining(owner, layer: name, "training", false, "null, or frozen layers")
    }
  }
}
