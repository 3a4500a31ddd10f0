// A model out of a file that Dogsled, Keras 3 or Keras 2 wrote. As Keras does, weights are taken in
// the order of the lists of names; names themselves mean nothing.

import Engine
import Foundation
import Pictures
import Primitives

extension ModelFile {
  /// Reads a file that Dogsled, Keras 3 or Keras 2 wrote.
  /// - Parameter asCheckpoint: whether it must be as Dogsled wrote it, and no link.
  /// - Throws: `ModelFileError` for a file that is missing, no HDF5, cut short or of another shape,
  ///   and for one of ours that is not as it was written.
  public init(reading path: String, asCheckpoint: Bool = false) throws {
    self = try HDF5.read(path, asCheckpoint: asCheckpoint) { root in
      guard let configuration = try root.string(Name.configuration) else {
        throw ModelFileError(
          "\(path): HDF5, but no Keras model: it has no \(Name.configuration) "
            + "(weights alone are not enough)")
      }
      if try root.string("backend") == "theano" {
        throw ModelFileError("\(path): written with Theano, whose convolutions turn the kernel")
      }
      let keras = try Self.keras(
        configuration, training: try root.string(Name.training),
        version: try root.string("keras_version"), path: path)
      try Self.check(keras.architecture.parameters, in: root)
      var file = ModelFile(
        architecture: keras.architecture,
        state: ModelState(weights: ParameterBuffer(keras.architecture.parameters)))
      file.untaken = keras.untaken
      file.labelSmoothing = keras.labelSmoothing
      try file.readWeights(from: try root.group(Name.weights))
      if let optimizer = keras.optimizer {
        file.optimizer = optimizer
        if root.contains(Name.optimizer) {
          try file.readOptimizer(from: try root.group(Name.optimizer))
        }
      }
      if root.contains(Name.own) { try file.readOwn(from: try root.group(Name.own)) }
      return file
    }
  }

  private static func keras(
    _ json: String, training: String?, version: String?, path: String
  ) throws -> KerasModel {
    do {
      let keras = try KerasConfiguration.read(json, training: training, kerasVersion: version)
      let parameters = keras.architecture.parameters
      var need = MemoryNeed()
      // The weights, and the optimizer's slots.
      need.add(1 + (keras.optimizer?.slots.count ?? 0), parameters)
      try need.check("a model of \(parameters.parameterCount) parameters")
      return keras
    } catch let error as MemoryError {
      throw MemoryError(description: "\(path): \(error)")
    } catch {
      throw ModelFileError("\(path): \(error)")
    }
  }

  /// Refuses a model for which `root` has no weights, before there is memory for them.
  private static func check(_ parameters: ParameterLayout, in root: HDF5Group) throws {
    let group = try root.group(Name.weights)
    let names = try weightNames(for: parameters, in: group)
    for (name, tensor) in zip(names, parameters.tensors) {
      let shape = try group.shape(of: name)
      guard shape == tensor.shape else {
        throw ModelFileError("\(group.path): \(name) has the shape \(shape), not \(tensor.shape)")
      }
    }
    guard root.justifies(bytes: 4 * parameters.bufferCount) else {
      throw ModelFileError(
        "\(group.path): damaged: it is too small for \(parameters.parameterCount) parameters")
    }
  }

  private static func check(
    _ names: some Collection<String>, for layout: ParameterLayout, in group: HDF5Group
  ) throws {
    let expected = layout.tensors.count
    guard names.count == expected else {
      let count = names.count > expected ? "more than \(expected)" : "\(names.count)"
      throw ModelFileError(
        "\(group.path): holds \(count) weight tensors, but its model has \(expected)")
    }
  }

  private func readWeights(from group: HDF5Group) throws {
    let names = try Self.weightNames(for: state.layout, in: group)
    try read(names, from: group, into: state.weights)
  }

  /// The names of the weights that `layout` has, over all layers.
  private static func weightNames(
    for layout: ParameterLayout, in group: HDF5Group
  ) throws -> [String] {
    guard let layers = try group.strings(Name.layers) else {
      throw ModelFileError("\(group.path): \(Name.weights) has no list \(Name.layers)")
    }
    var names: [String] = []
    for layer in layers {
      let part = try group.group(layer)
      names += (try part.strings(Name.tensors) ?? []).map { "\(layer)/\($0)" }
      // A short file can list one layer many times: what is too much is not collected.
      if names.count > layout.tensors.count { break }
    }
    try check(names, for: layout, in: group)
    return names
  }

  private func read(
    _ names: some Collection<String>, from group: HDF5Group, into buffer: ParameterBuffer
  ) throws {
    try Self.check(names, for: buffer.layout, in: group)
    for (name, tensor) in zip(names, buffer.layout.tensors) {
      try group.read(name, shape: tensor.shape, into: buffer[tensor])
    }
  }

  /// Takes over the optimizer's slots and the count of updates.
  ///
  /// Keras 3 and tf.keras write the count, perhaps the learning rate, and the slots: one after the
  /// other, a tensor for each of the weights', or all of a tensor side by side, as Keras 3 does for
  /// Adam. Keras 2.2 writes the slots alone. Where there are others than the optimizer's, they are
  /// left alone.
  private mutating func readOptimizer(from group: HDF5Group) throws {
    let names = try group.strings(Name.tensors) ?? []
    var slots: [String] = []
    for name in names {
      if !(try group.shape(of: name)).isEmpty {
        slots.append(name)
      } else if name.contains("iter") {
        state.updates = try group.integer(name)
      }
    }
    let (tensors, count) = (state.layout.trained, optimizer.slots.count)
    guard count > 0, slots.count == tensors.count * count else { return }
    let shapes = try slots.map { try group.shape(of: $0) }
    let together = tensors.flatMap { tensor in (0..<count).map { _ in tensor.shape } }
    let apart = (0..<count).flatMap { _ in tensors.map(\.shape) }
    // Where shapes leave both open, as Keras has it.
    let interleaves = type(of: optimizer).interleavesSlots
    let areTogether = shapes == together && (interleaves || shapes != apart)
    state = ModelState(weights: state.weights, slots: optimizer.slots, updates: state.updates)
    for (slot, buffer) in state.slots.enumerated() {
      for (place, tensor) in tensors.enumerated() {
        let name = areTogether ? slots[place * count + slot] : slots[slot * tensors.count + place]
        try group.read(name, shape: tensor.shape, into: buffer[tensor])
      }
    }
  }

  private mutating func readOwn(from group: HDF5Group) throws {
    classes = try group.strings(Name.classes(0))
    var number = 1
    while let more = try group.strings(Name.classes(number)) {
      classes? += more
      number += 1
    }
    pictures = try group.string(Name.pictures).flatMap(PictureSettings.init)
    func value<Value: Decodable>(_ name: String, _ what: String) throws -> Value? {
      guard let json = try group.string(name) else { return nil }
      do {
        return try JSONDecoder.anyNumbers.decode(Value.self, from: Data(json.utf8))
      } catch {
        throw ModelFileError("\(group.path): its \(what) cannot be read")
      }
    }
    position = try value(Name.position, "position in the run")
    best = try value(Name.best, "epoch in the run")
  }
}

extension ModelFile {
  /// What it says of the model and of training it.
  package var keras: KerasModel {
    KerasModel(
      architecture: architecture, untaken: untaken, optimizer: optimizer,
      labelSmoothing: labelSmoothing)
  }
}

extension KerasConfiguration {
  /// The model in the file at `path`: an `.h5` file, or JSON as Keras's `to_json()` gives it where
  /// the name ends in `.json`.
  /// - Throws: `ModelFileError` naming the file.
  public static func model(inFile path: String) throws -> KerasModel {
    guard path.hasSuffix(".json") else {
      return try ModelFile(reading: path).keras
    }
    do {
      var status = stat()
      if stat(path, &status) == 0 {
        guard status.st_mode & S_IFMT == S_IFREG else { throw ModelFileError("not a file") }
        guard status.st_size <= JSON.bytesMax else {
          throw ModelFileError("\(status.st_size) bytes: no model's configuration is so large")
        }
      }
      return try read(try PlainFiles.text(of: path, followingLinks: true))
    } catch let error as FileError {
      throw ModelFileError("\(error)")
    } catch {
      throw ModelFileError("\(path): \(error)")
    }
  }
}
