// A model out of a file that Dogsled, Keras 3 or Keras 2 wrote: `.h5`, `.keras`, or JSON beside a
// file of weights.

import Engine
import Foundation
import Pictures
import Primitives

extension ModelFile {
  /// Reads a file that Dogsled, Keras 3 or Keras 2 wrote.
  /// - Parameters:
  ///   - weights: a file whose weights are taken instead of the model's own: of weights alone, or
  ///     another model. JSON has none and needs one.
  ///   - asCheckpoint: whether it must be as Dogsled wrote it, and no link.
  /// - Throws: `ModelFileError` for a file that is missing, no model, cut short or of another
  ///   shape, and for one of ours that is not as it was written.
  public init(
    reading path: String, weights: String? = nil, asCheckpoint: Bool = false
  ) throws {
    self = try Self.naming {
      let file = try PlainFile(path, followingLinks: !asCheckpoint)
      switch asCheckpoint ? .hdf5 : try ModelForm(of: file) {
      case .hdf5:
        return try HDF5.read(path, asCheckpoint: asCheckpoint) { root in
          guard let configuration = try root.string(Name.configuration) else {
            throw ModelFileError(
              "\(path): HDF5, but no Keras model: it has no \(Name.configuration) "
                + "(weights alone need their model's JSON: --model JSON --weights FILE)")
          }
          if try root.string("backend") == "theano" {
            throw ModelFileError("\(path): written with Theano, whose convolutions turn the kernel")
          }
          let keras = try Self.keras(
            configuration, training: try root.string(Name.training),
            version: try root.string("keras_version"), path: path)
          return try ModelFile(keras, path: path, weights: weights, root: root)
        }
      case .keras:
        let zip = try ZipArchive(file)
        let configuration = try zip.text(of: KerasArchive.configuration, atMost: JSON.bytesMax)
        let version = try KerasArchive.version(in: zip)
        let keras = try Self.keras(configuration, training: nil, version: version, path: path)
        return try ModelFile(
          keras, path: path, weights: weights,
          root: try HDF5File(zip.source(of: KerasArchive.weights)).root)
      case .json:
        guard let weights else {
          throw ModelFileError(
            "\(path): a model without weights: give them too, with --weights FILE")
        }
        return try ModelFile(
          try KerasConfiguration.model(inFile: path), path: path, weights: weights, root: nil)
      }
    }
  }

  /// A model with its weights.
  /// - Parameters:
  ///   - path: the model's own file, for errors.
  ///   - weights: a file whose weights are taken; nil for those in `root`.
  ///   - root: of the model's own file; nil where it has none.
  private init(
    _ keras: KerasModel, path: String, weights: String?, root: HDF5Group?
  ) throws {
    let architecture = keras.architecture
    let stored =
      try weights.map { try Self.weights(in: $0, for: keras) }
      ?? root.map { try StoredWeights(in: $0, for: keras) }
    var need = MemoryNeed()
    // The weights, and the optimizer's slots.
    need.add(1 + (keras.optimizer?.slots.count ?? 0), architecture.parameters)
    do {
      try need.check("a model of \(architecture.parameters.parameterCount) parameters")
    } catch let error as MemoryError {
      throw MemoryError(description: "\(path): \(error)")
    }
    self.init(
      architecture: architecture,
      state: ModelState(weights: ParameterBuffer(architecture.parameters)))
    untaken = keras.untaken
    self.stored = keras.stored
    labelSmoothing = keras.labelSmoothing
    try stored?.read(into: state.weights)
    if let optimizer = keras.optimizer {
      self.optimizer = optimizer
      if weights == nil, let stored, let variables = stored.optimizer {
        try readOptimizer(variables, of: stored.trained)
      }
    }
    if let root, root.contains(Name.own) { try readOwn(from: try root.group(Name.own)) }
  }

  /// Where a file of weights, or another model's, has those of this one.
  private static func weights(
    in path: String, for keras: KerasModel
  ) throws -> StoredWeights {
    let file = try PlainFile(path)
    switch try ModelForm(of: file) {
    case .hdf5: return try HDF5.read(path) { try StoredWeights(in: $0, for: keras) }
    case .keras:
      let root = try HDF5File(try ZipArchive(file).source(of: KerasArchive.weights)).root
      return try StoredWeights(in: root, for: keras)
    case .json:
      throw ModelFileError("\(path): JSON has no weights: give an .h5 or a .keras file")
    }
  }

  private static func naming<Result>(_ body: () throws -> Result) throws -> Result {
    do {
      return try body()
    } catch let error as HDF5Error {
      throw ModelFileError("\(error)")
    } catch let error as FileError {
      throw ModelFileError("\(error)")
    }
  }

  private static func keras(
    _ json: String, training: String?, version: String?, path: String
  ) throws -> KerasModel {
    do {
      return try KerasConfiguration.read(json, training: training, kerasVersion: version)
    } catch {
      throw ModelFileError("\(path): \(error)")
    }
  }

  /// Takes over the optimizer's slots and the count of updates.
  ///
  /// Keras 3 and tf.keras write the count, perhaps the learning rate, and the slots: one after the
  /// other, a tensor for each of the weights', or all of a tensor side by side, as Keras 3 does for
  /// Adam. Keras 2.2 writes the slots alone. Where there are others than the optimizer's, they are
  /// left alone.
  ///
  /// - Parameter tensors: those that it updates, in the file's order.
  private mutating func readOptimizer(
    _ variables: StoredWeights.OptimizerVariables, of tensors: [ParameterLayout.Tensor]
  ) throws {
    let group = variables.group
    var slots: [String] = []
    for name in variables.names {
      if !(try group.shape(of: name)).isEmpty {
        slots.append(name)
      } else if variables.isCount(name) {
        state.updates = try group.integer(name)
      }
    }
    let count = optimizer.slots.count
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
      labelSmoothing: labelSmoothing, stored: stored)
  }
}

extension KerasConfiguration {
  /// The model in the file at `path`: an `.h5` or a `.keras` file, or JSON as Keras's `to_json()`
  /// gives it.
  /// - Throws: `ModelFileError` naming the file.
  public static func model(inFile path: String) throws -> KerasModel {
    do {
      let file = try PlainFile(path)
      guard try ModelForm(of: file) == .json else {
        return try ModelFile(reading: path).keras
      }
      guard file.size <= JSON.bytesMax else {
        throw ModelFileError(
          "\(path): \(file.size) bytes: no model's configuration is so large")
      }
      let text = try PlainFiles.text(of: path, followingLinks: true)
      do {
        return try read(text)
      } catch {
        throw ModelFileError("\(path): \(error)")
      }
    } catch let error as FileError {
      throw ModelFileError("\(error)")
    }
  }
}

/// What a file that has a model is written in.
enum ModelForm {
  /// Keras's legacy `.h5`, or weights alone.
  case hdf5
  /// A zip file, `.keras`.
  case keras
  /// Layers without weights, as `to_json()` gives them.
  case json

  /// By the first bytes; what has neither's is left to the reader of HDF5, which says so.
  init(of file: PlainFile) throws {
    let start = try file.bytes(at: 0, count: min(file.size, 64))
    let text = start.first { ![0x20, 0x0A, 0x0D, 0x09].contains($0) }
    if start.starts(with: ZipArchive.signature) {
      self = .keras
    } else if text == UInt8(ascii: "{") || text == UInt8(ascii: "[")
      || file.path.hasSuffix(".json")
    {
      self = .json
    } else {
      self = .hdf5
    }
  }
}
