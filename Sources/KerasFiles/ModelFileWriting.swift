// A model into a file as Keras 3's `model.save("x.h5")` lays it out, so that `load_model` opens it
// compiled, with its weights and the state of RMSprop.

import Engine
import Foundation
import Primitives

extension ModelFile {
  /// Writes beside `path`, syncs and renames: what was at `path` stays where anything fails.
  /// - Parameter previous: where what was at `path` is afterwards.
  /// - Throws: `ModelFileError`.
  public func write(to path: String, keeping previous: String? = nil) throws {
    do {
      let buffers = [weights, average].compactMap { $0 }
      let image = try HDF5.image(
        for: path, numbers: buffers.reduce(0) { $0 + 4 * $1.layout.bufferCount },
        tail: ModelFileSeal.length
      ) { root in
        try root.write(attribute: "backend", "tensorflow")
        try root.write(attribute: "keras_version", "3.0.0")
        try root.write(attribute: Name.configuration, KerasConfiguration.encode(architecture))
        try root.write(attribute: Name.training, trainingConfiguration.text)
        try writeWeights(to: try root.makeGroup(Name.weights))
        if let average {
          try writeOptimizer(average, to: try root.makeGroup(Name.optimizer))
        }
        try writeOwn(to: try root.makeGroup(Name.own))
      }
      try PlainFiles.replace(path, with: ModelFileSeal.sealed(image), keeping: previous)
    } catch {
      throw ModelFileError("\(error)")
    }
  }

  private func writeWeights(to group: HDF5NewGroup) throws {
    try group.write(attribute: "backend", "tensorflow")
    try group.write(attribute: "keras_version", "3.0.0")
    try group.write(attribute: Name.layers, architecture.layers.map(\.name))
    for (layer, _) in architecture.layers {
      let tensors = weights.layout.tensors.filter { $0.layer == layer }
      let names = tensors.map { "sequential/\(layer)/\($0.kind.rawValue)" }
      let part = try group.makeGroup(layer)
      try part.write(attribute: Name.tensors, names)
      for (name, tensor) in zip(names, tensors) {
        try part.write(name, shape: tensor.shape, UnsafeBufferPointer(weights[tensor]))
      }
    }
    try group.makeGroup("top_level_model_weights").write(attribute: Name.tensors, [])
  }

  private func writeOptimizer(
    _ average: ParameterBuffer, to group: HDF5NewGroup
  ) throws {
    let tensors = average.layout.tensors
    let names = tensors.map {
      "rm_sprop/sequential_\($0.layer)_\($0.kind.rawValue)_velocity"
    }
    let scalars = ["rm_sprop/iteration", "rm_sprop/learning_rate"]
    try group.write(attribute: Name.tensors, scalars + names)
    try group.write(scalars[0], iterations)
    try group.write(scalars[1], optimizer.learningRate)
    for (name, tensor) in zip(names, tensors) {
      try group.write(name, shape: tensor.shape, UnsafeBufferPointer(average[tensor]))
    }
  }

  private func writeOwn(to group: HDF5NewGroup) throws {
    if let classes { try group.write(attribute: Name.classes, classes) }
    if let pictures { try group.write(attribute: Name.pictures, pictures.description) }
    if let position {
      let encoder = JSONEncoder.anyNumbers
      encoder.outputFormatting = .sortedKeys
      let json = String(decoding: try encoder.encode(position), as: UTF8.self)
      try group.write(attribute: Name.position, json)
    }
  }

  /// What Keras compiles the model with.
  private var trainingConfiguration: JSON {
    [
      "loss": "binary_crossentropy", "loss_weights": nil, "metrics": ["acc"],
      "weighted_metrics": nil,
      "optimizer_config": [
        "class_name": "RMSprop",
        "config": [
          "name": "rm_sprop", "learning_rate": .number(Double(optimizer.learningRate)),
          "rho": .number(Double("\(optimizer.rho)") ?? 0.9),
          "epsilon": .number(Double("\(optimizer.epsilon)") ?? 1e-7),
          "momentum": 0.0, "centered": false,
        ],
      ],
    ]
  }
}
