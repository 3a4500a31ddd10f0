// Where files have a model's weights. Keras's legacy form, `.h5`, lists the names of its layers and
// of their weights; as Keras does, we take them in the lists' order, whatever they are called.
// Keras 3's, in `.keras` and `.weights.h5`, has a group for each layer, called by its class and
// counted.

import Engine

/// The data sets of a model's tensors in a file, each of the right shape.
struct StoredWeights {
  private let group: HDF5Group
  /// In the order of `tensors`.
  private let names: [String]
  /// In the file's order.
  private let tensors: [ParameterLayout.Tensor]
  /// The optimizer's variables, in order; nil where there are none.
  let optimizer: OptimizerVariables?
  /// The tensors that an optimizer updates, in the order of its variables.
  let trained: [ParameterLayout.Tensor]

  /// Variables of an optimizer in a file.
  struct OptimizerVariables {
    let group: HDF5Group
    let names: [String]
    /// Whether a variable of this name, a single number, is the count of updates.
    let isCount: (String) -> Bool
  }

  /// Finds the weights of a model in a file, whichever form it has.
  /// - Throws: `ModelFileError` where it has none, or those of another model; `HDF5Error`.
  init(in root: HDF5Group, for model: KerasModel) throws {
    let layers = Layers(model)
    if root.contains(ModelFile.Name.weights) {
      let optimizer = ModelFile.Name.optimizer
      try self.init(
        listedIn: try root.group(ModelFile.Name.weights), for: layers,
        optimizer: root.contains(optimizer) ? try root.group(optimizer) : nil)
    } else if let container = Self.containers.first(where: root.contains) {
      try self.init(layersOf: try root.group(container), for: layers, in: root)
    } else {
      try self.init(listedIn: root, for: layers, optimizer: nil)
    }
  }

  /// Fills `buffer`, whose layout must be the model's.
  func read(into buffer: ParameterBuffer) throws {
    for (name, tensor) in zip(names, tensors) {
      try group.read(name, shape: tensor.shape, into: buffer[tensor])
    }
  }

  private init(
    _ group: HDF5Group, _ found: [(name: String, tensor: ParameterLayout.Tensor)],
    _ layers: Layers, _ optimizer: OptimizerVariables?
  ) throws {
    self.group = group
    (names, tensors) = (found.map(\.name), found.map(\.tensor))
    self.optimizer = optimizer
    trained = layers.trained
    for (name, tensor) in found {
      let shape = try group.shape(of: name)
      guard shape == tensor.shape else {
        throw ModelFileError(
          "\(group.path): \(name.oneLine) has the shape \(shape), not \(tensor.shape), that of "
            + "the model's \(tensor.layer.oneLine) \(tensor.kind.rawValue)")
      }
    }
    guard group.justifies(bytes: 4 * layers.parameters.bufferCount) else {
      throw ModelFileError(
        "\(group.path): damaged: it is too small for \(layers.parameters.parameterCount) "
          + "parameters")
    }
  }

  /// The layers of a model as its file has them, with their tensors.
  private struct Layers {
    let stored: [StoredLayer]
    let parameters: ParameterLayout
    private let tensors: [String: [ParameterLayout.Tensor]]
    private let kinds: [String: String]

    init(_ model: KerasModel) {
      let layers = model.architecture.layers
      stored =
        model.stored
        ?? layers.map { StoredLayer(name: $0.name, content: .layer(name: $0.name)) }
      parameters = model.architecture.parameters
      tensors = Dictionary(grouping: parameters.tensors, by: \.layer)
      kinds = Dictionary(uniqueKeysWithValues: layers.map { ($0.name, $0.layer.kerasName) })
    }

    /// The tensors of a layer, or of all layers of a model in the order of Keras's `weights`: what
    /// is trained, then what is not.
    func tensors(of layer: StoredLayer) -> [ParameterLayout.Tensor] {
      let all = layer.leaves.flatMap { tensors[$0] ?? [] }
      guard case .model = layer.content else { return all }
      return all.filter(\.isTrained) + all.filter { !$0.isTrained }
    }

    /// What Keras 3 calls the class of a layer.
    func kind(of layer: StoredLayer) -> String {
      switch layer.content {
      case .layer(let name): kinds[name] ?? ""
      case .model(let kind, _): kind
      }
    }

    var trained: [ParameterLayout.Tensor] {
      stored.flatMap(\.leaves).flatMap { tensors[$0] ?? [] }.filter(\.isTrained)
    }
  }

  // MARK: Legacy

  private init(
    listedIn group: HDF5Group, for layers: Layers, optimizer: HDF5Group?
  ) throws {
    guard let listed = try group.strings(ModelFile.Name.layers) else {
      throw ModelFileError(
        "\(group.path): HDF5, but no weights of Keras's: it has no list \(ModelFile.Name.layers)")
    }
    var rest = layers.stored.filter { !layers.tensors(of: $0).isEmpty }[...]
    var found: [(name: String, tensor: ParameterLayout.Tensor)] = []
    for name in listed {
      let names = try group.group(name).strings(ModelFile.Name.tensors) ?? []
      guard !names.isEmpty else { continue }
      guard let layer = rest.popFirst() else {
        throw ModelFileError(
          "\(group.path): has weights of the layer \(name.oneLine), after all that the model has")
      }
      let tensors = layers.tensors(of: layer)
      guard names.count == tensors.count else {
        throw Self.mismatch(group, name, names.count, layer.name, tensors)
      }
      found += zip(names, tensors).map { ("\(name)/\($0)", $1) }
    }
    if let layer = rest.first {
      throw ModelFileError(
        "\(group.path): has no weights for the model's layer \(layer.name.oneLine)")
    }
    try self.init(
      group, found, layers,
      try optimizer.map {
        OptimizerVariables(
          group: $0, names: try $0.strings(ModelFile.Name.tensors) ?? [],
          isCount: { $0.contains("iter") })
      })
  }

  // MARK: Keras 3

  /// Keras 3 and tf_keras, and tf_keras before 2.16.
  private static let containers = ["layers", "_layer_checkpoint_dependencies"]
  private static let variables = "vars"

  private init(layersOf group: HDF5Group, for layers: Layers, in root: HDF5Group) throws {
    let found = try Self.found(layers.stored, of: layers, in: group, path: "")
    let optimizer = "optimizer"
    var state: OptimizerVariables?
    if root.contains(optimizer) {
      let count = try Self.count(in: root, optimizer)
      state = OptimizerVariables(
        group: root, names: (0..<count).map { "\(optimizer)/\(Self.variables)/\($0)" },
        isCount: { $0.hasSuffix("/0") })
    }
    try self.init(group, found, layers, state)
  }

  /// The tensors of the layers that a group has a group for each of.
  /// - Parameter path: what leads to the group, ending in a slash where it is not empty.
  private static func found(
    _ stored: [StoredLayer], of layers: Layers, in group: HDF5Group, path: String
  ) throws -> [(name: String, tensor: ParameterLayout.Tensor)] {
    var found: [(name: String, tensor: ParameterLayout.Tensor)] = []
    var unused = Set(group.names)
    for (layer, name) in zip(stored, groupNames(stored.map(layers.kind))) {
      let tensors = layers.tensors(of: layer)
      guard !tensors.isEmpty else { continue }
      unused.remove(name)
      let missing = ModelFileError(
        "\(group.path): has no weights for the model's layer \(layer.name.oneLine), which would "
          + "be in \(path)\(name)/\(variables)")
      if case .model(_, let inner) = layer.content {
        guard group.contains(name),
          let container = try containers.first(where: {
            try group.group(name).contains($0)
          })
        else { throw missing }
        found += try Self.found(
          inner, of: layers, in: try group.group(name).group(container),
          path: "\(path)\(name)/\(container)/")
        continue
      }
      let count = try count(in: group, name)
      guard count > 0 else { throw missing }
      guard count == tensors.count else {
        throw mismatch(group, name, count, layer.name, tensors)
      }
      found += tensors.enumerated().map { ("\(path)\(name)/\(variables)/\($0)", $1) }
    }
    for name in unused.sorted() where try count(in: group, name) > 0 {
      throw ModelFileError(
        "\(group.path): has weights of \(path)\(name.oneLine), which the model has not")
    }
    return found
  }

  /// What Keras 3 calls the groups of a model's layers: the first of a class by its name, the
  /// others counted.
  static func groupNames(_ classes: [String]) -> [String] {
    var counts: [String: Int] = [:]
    return classes.map { name in
      let number = counts[name, default: 0]
      counts[name] = number + 1
      return number == 0 ? name : "\(name)_\(number)"
    }
  }

  /// How many variables the group `name` has.
  private static func count(in group: HDF5Group, _ name: String) throws -> Int {
    guard group.contains(name) else { return 0 }
    let layer = try group.group(name)
    guard layer.contains(variables) else { return 0 }
    return try layer.group(variables).names.count
  }

  private static func mismatch(
    _ group: HDF5Group, _ stored: String, _ count: Int, _ layer: String,
    _ tensors: [ParameterLayout.Tensor]
  ) -> ModelFileError {
    // Of a model in the model there may be hundreds.
    let first = tensors.prefix(8).map { "\($0.kind.rawValue) \($0.shape)" }
    return ModelFileError(
      "\(group.path): has \(count) weights of \(stored.oneLine), where the model's layer "
        + "\(layer.oneLine) has \(tensors.count): \(first.joined(separator: ", "))"
        + (tensors.count > 8 ? ", ..." : ""))
  }
}
