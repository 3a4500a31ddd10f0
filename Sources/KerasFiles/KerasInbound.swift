// How Keras writes down what a layer of a graph reads: Keras 2 in lists, Keras 3 in objects.

import Engine

/// What the layers of a functional model read, by name.
enum KerasInbound {
  /// The names of the layers that an entry's layer reads, in order.
  /// - Parameters:
  ///   - owner: the layer, as errors name it.
  ///   - models: names of models in the model, whose first node is their own.
  /// - Throws: `KerasConfigurationError` where it is used more than once, or called with something
  ///   beside its inputs.
  static func names(
    of entry: JSON, _ owner: String, models: Set<String> = []
  ) throws -> [String] {
    guard let nodes = entry["inbound_nodes"]?.array else {
      throw KerasConfigurationError(
        "\(owner): inbound_nodes is missing: nothing says what it reads")
    }
    guard nodes.count == 1 else {
      throw KerasConfigurationError(
        nodes.isEmpty
          ? "\(owner): it reads nothing"
          : "\(owner): it is used \(nodes.count) times; Dogsled has layers that are used once: "
            + "make a layer of its own for each")
    }
    if let calls = nodes[0].array {
      // One call may stand without a list around it.
      let isBare = calls.first?.string != nil
      return try (isBare ? [nodes[0]] : calls).map { try reference($0, owner, models) }
    }
    guard let arguments = nodes[0]["args"]?.array else {
      throw KerasConfigurationError("\(owner): inbound_nodes is \(nodes[0].shown)")
    }
    // Keras 3 notes what the layer was built with; whoever calls the model decides.
    var call = nodes[0]["kwargs"]?.object ?? [:]
    call["training"] = nil
    try check(.object(call), owner)
    return try arguments.flatMap { $0.array ?? [$0] }.map { tensor in
      guard tensor["class_name"] == "__keras_tensor__",
        let history = tensor["config"]?["keras_history"]
      else {
        throw KerasConfigurationError("\(owner): it reads \(tensor.shown), which is no layer")
      }
      return try reference(history, owner, models)
    }
  }

  /// The only name in `input_layers` or `output_layers`.
  static func single(
    _ list: JSON?, _ name: String, models: Set<String> = []
  ) throws -> String {
    let outer = list?.array ?? []
    let entries = outer.first?.string != nil ? [JSON.array(outer)] : outer
    guard entries.count == 1 else {
      throw KerasConfigurationError(
        "the model's \(name) are \(list?.shown ?? "not given"); Dogsled has models with one")
    }
    return try reference(entries[0], "the model's \(name)", models)
  }

  /// `[name, node, tensor]`, perhaps with arguments of the call.
  private static func reference(
    _ json: JSON, _ owner: String, _ models: Set<String>
  ) throws -> String {
    guard let parts = json.array, (3...4).contains(parts.count), let name = parts[0].string,
      let node = parts[1].integer, node == 0 || node == 1 && models.contains(name),
      parts[2].integer == 0
    else {
      throw KerasConfigurationError(
        "\(owner): it reads \(json.shown); Dogsled's layers are used once and have one output"
      )
    }
    if parts.count == 4 { try check(parts[3], owner) }
    return name
  }

  /// Refuses arguments of a call that are set.
  private static func check(_ arguments: JSON?, _ owner: String) throws {
    for (name, value) in (arguments?.object ?? [:]).sorted(by: { $0.key < $1.key })
    where value != .null {
      throw KerasConfigurationError(
        "\(owner): it is called with \(name) = \(value.shown), which Dogsled does not have")
    }
  }
}

/// The order of a graph's layers.
enum KerasGraph {
  /// The layers so that each comes after those that it reads, as near to the file's order as that
  /// allows.
  /// - Parameters:
  ///   - layers: each with what it reads, by name.
  ///   - input: the name of the input's layer.
  ///   - output: of the model's last layer.
  /// - Returns: the numbers of the layers in order, and what each reads.
  /// - Throws: `KerasConfigurationError` where a name is unknown or used twice, where layers read
  ///   each other in a circle, or where one does not reach the output.
  static func order(
    _ layers: [(name: String, inputs: [String])], input: String, output: String
  ) throws -> [(number: Int, inputs: [Value])] {
    var numbers: [String: Int] = [:]
    for (number, layer) in layers.enumerated() {
      guard layer.name != input, numbers.updateValue(number, forKey: layer.name) == nil else {
        throw KerasConfigurationError("two layers have the same name, \(layer.name)")
      }
    }
    guard let last = numbers[output] else {
      throw KerasConfigurationError("the model's output, \(output), is none of its layers")
    }
    var places: [Int?] = Array(repeating: nil, count: layers.count)
    var order: [(number: Int, inputs: [Value])] = []
    // Begun and without a place: on the way to the layer that is visited.
    var isBegun = Array(repeating: false, count: layers.count)
    for start in layers.indices where start != last { try visit(start) }
    try visit(last)

    /// With a stack of its own: a file may have a row of any length.
    func visit(_ start: Int) throws {
      var stack = [start]
      while let number = stack.last {
        guard places[number] == nil else {
          stack.removeLast()
          continue
        }
        isBegun[number] = true
        var inputs: [Value] = []
        var waits = false
        for name in layers[number].inputs {
          if name == input {
            inputs.append(.picture)
          } else if let read = numbers[name] {
            if let place = places[read] {
              inputs.append(.node(place))
            } else {
              guard !isBegun[read] else {
                throw KerasConfigurationError(
                  "layers \(name) and \(layers[number].name) read each other, in a circle")
              }
              waits = true
              stack.append(read)
            }
          } else {
            throw KerasConfigurationError(
              "layer \(layers[number].name) reads \(name), which is none of the model's")
          }
        }
        guard !waits else { continue }
        places[number] = order.count
        order.append((number, inputs))
        stack.removeLast()
      }
    }
    guard order.last?.number == last else {
      throw KerasConfigurationError(
        "layer \(layers[order[order.count - 1].number].name) does not reach the model's output")
    }
    try checkReached(order, layers)
    return order
  }

  /// Refuses layers that the last one is not computed from.
  private static func checkReached(
    _ order: [(number: Int, inputs: [Value])], _ layers: [(name: String, inputs: [String])]
  ) throws {
    var reached: Set<Value> = [.node(order.count - 1)]
    for place in order.indices.reversed() {
      guard reached.contains(.node(place)) else {
        throw KerasConfigurationError(
          "layer \(layers[order[place].number].name) does not reach the model's output")
      }
      reached.formUnion(order[place].inputs)
    }
  }
}
