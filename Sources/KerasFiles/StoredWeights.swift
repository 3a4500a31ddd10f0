// Where files have a model's weights. Keras's legacy form, `.h5`, lists the names of its layers and
// of their weights; as Keras does, we take them in the lists' order, whatever they are called.
// Keras 3's, in `.keras` and `.weights.h5`, has a group for each layer, called by its class and
// counted.

import Engine

/// The data sets of a model's tensors in a file, in the tensors' order, each of the right shape.
struct StoredWeights {
  private let group: HDF5Group
  private let names: [String]
  private let parameters: ParameterLayout
  /// The optimizer's variables, in order; nil where there are none.
  let optimizer: OptimizerVariables?

  /// Variables of an optimizer in a file.
  struct OptimizerVariables {
    let group: HDF5Group
    let names: [String]
    /// Whether a variable of this name, a single number, is the count of updates.
    let isCount: (String) -> Bool
  }

  /// Finds the weights of a model in a file, whichever form it has.
  /// - Throws: `ModelFileError` where it has none, or those of another model; `HDF5Error`.
  init(in root: HDF5Group, for architecture: Architecture) throws {
    if root.contains(ModelFile.Name.weights) {
      let optimizer = ModelFile.Name.optimizer
      try self.init(
        listedIn: try root.group(ModelFile.Name.weights), for: architecture,
        optimizer: root.contains(optimizer) ? try root.group(optimizer) : nil)
    } else if let container = Self.containers.first(where: root.contains) {
      try self.init(layersOf: try root.group(container), for: architecture, in: root)
    } else {
      try self.init(listedIn: root, for: architecture, optimizer: nil)
    }
  }

  /// Fills `buffer`, whose layout must be the model's.
  func read(into buffer: ParameterBuffer) throws {
    for (name, tensor) in zip(names, parameters.tensors) {
      try group.read(name, shape: tensor.shape, into: buffer[tensor])
    }
  }

  private init(
    _ group: HDF5Group, _ names: [String], _ parameters: ParameterLayout,
    _ optimizer: OptimizerVariables?
  ) throws {
    (self.group, self.names, self.parameters) = (group, names, parameters)
    self.optimizer = optimizer
    for (name, tensor) in zip(names, parameters.tensors) {
      let shape = try group.shape(of: name)
      guard shape == tensor.shape else {
        throw ModelFileError(
          "\(group.path): \(name.oneLine) has the shape \(shape), not \(tensor.shape), that of "
            + "the model's \(tensor.layer.oneLine) \(tensor.kind.rawValue)")
      }
    }
    guard group.justifies(bytes: 4 * parameters.bufferCount) else {
      throw ModelFileError(
        "\(group.path): damaged: it is too small for \(parameters.parameterCount) parameters")
    }
  }

  // MARK: Legacy

  private init(
    listedIn group: HDF5Group, for architecture: Architecture, optimizer: HDF5Group?
  ) throws {
    guard let listed = try group.strings(ModelFile.Name.layers) else {
      throw ModelFileError(
        "\(group.path): HDF5, but no weights of Keras's: it has no list \(ModelFile.Name.layers)")
    }
    var layers = Self.layersWithTensors(of: architecture)[...]
    var names: [String] = []
    for name in listed {
      let stored = try group.group(name).strings(ModelFile.Name.tensors) ?? []
      guard !stored.isEmpty else { continue }
      guard let layer = layers.popFirst() else {
        throw ModelFileError(
          "\(group.path): has weights of the layer \(name.oneLine), after all that the model has")
      }
      guard stored.count == layer.tensors.count else {
        throw Self.mismatch(group, name, stored.count, layer)
      }
      names += stored.map { "\(name)/\($0)" }
    }
    if let layer = layers.first {
      throw ModelFileError(
        "\(group.path): has no weights for the model's layer \(layer.name.oneLine)")
    }
    try self.init(
      group, names, architecture.parameters,
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

  private init(
    layersOf group: HDF5Group, for architecture: Architecture, in root: HDF5Group
  ) throws {
    let groups = Dictionary(
      uniqueKeysWithValues: zip(architecture.layers.map(\.name), Self.groupNames(architecture)))
    var names: [String] = []
    var unused = Set(group.names)
    for layer in Self.layersWithTensors(of: architecture) {
      let stored = groups[layer.name] ?? layer.name
      unused.remove(stored)
      let count = try Self.count(in: group, stored)
      guard count > 0 else {
        throw ModelFileError(
          "\(group.path): has no weights for the model's layer \(layer.name.oneLine), which would "
            + "be in \(stored)/\(Self.variables)")
      }
      guard count == layer.tensors.count else {
        throw Self.mismatch(group, stored, count, layer)
      }
      names += (0..<count).map { "\(stored)/\(Self.variables)/\($0)" }
    }
    for name in unused.sorted() where try Self.count(in: group, name) > 0 {
      throw ModelFileError(
        "\(group.path): has weights of \(name.oneLine), which the model has not")
    }
    let optimizer = "optimizer"
    var found: OptimizerVariables?
    if root.contains(optimizer) {
      let count = try Self.count(in: root, optimizer)
      found = OptimizerVariables(
        group: root, names: (0..<count).map { "\(optimizer)/\(Self.variables)/\($0)" },
        isCount: { $0.hasSuffix("/0") })
    }
    try self.init(group, names, architecture.parameters, found)
  }

  /// What Keras 3 calls the groups of a model's layers: the first of a class by its name, the
  /// others counted.
  static func groupNames(_ architecture: Architecture) -> [String] {
    var counts: [String: Int] = [:]
    return architecture.layers.map { _, layer in
      let number = counts[layer.kerasName, default: 0]
      counts[layer.kerasName] = number + 1
      return number == 0 ? layer.kerasName : "\(layer.kerasName)_\(number)"
    }
  }

  /// How many variables the group `name` has.
  private static func count(in group: HDF5Group, _ name: String) throws -> Int {
    guard group.contains(name) else { return 0 }
    let layer = try group.group(name)
    guard layer.contains(variables) else { return 0 }
    return try layer.group(variables).names.count
  }

  // MARK: Both

  private typealias Layer = (name: String, tensors: [ParameterLayout.Tensor])

  private static func layersWithTensors(of architecture: Architecture) -> [Layer] {
    let tensors = Dictionary(grouping: architecture.parameters.tensors, by: \.layer)
    return architecture.layers.compactMap { layer in
      tensors[layer.name].map { (layer.name, $0) }
    }
  }

  private static func mismatch(
    _ group: HDF5Group, _ stored: String, _ count: Int, _ layer: Layer
  ) -> ModelFileError {
    let expected = layer.tensors.map { "\($0.kind.rawValue) \($0.shape)" }
    return ModelFileError(
      "\(group.path): has \(count) weights of \(stored.oneLine), where the model's layer "
        + "\(layer.name.oneLine) has \(expected.count): \(expected.joined(separator: ", "))")
  }
}
