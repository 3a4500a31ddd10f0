import Engine
import Foundation

extension ModelFile {
  /// The model as Keras 3's `model.save("x.keras")` writes it: `load_model` opens it compiled, with
  /// its weights and the optimizer's slots.
  /// - Parameter path: the file that the bytes are for, named in errors.
  /// - Throws: `ModelFileError` where it is too large for a zip file; `HDF5Error`.
  func kerasArchive(for path: String) throws -> Data {
    let weights = try kerasWeights(for: path)
    var archive = ZipWriter(capacity: weights.count + 1 << 20)
    let metadata: JSON = ["keras_version": "3.0.0"]
    guard archive.append(Data(metadata.text.utf8), as: KerasArchive.metadata),
      archive.append(Data(archivedConfiguration.text.utf8), as: KerasArchive.configuration),
      archive.append(weights, as: KerasArchive.weights), let bytes = archive.finished()
    else { throw ModelFileError("\(path): more than the 4 GiB that a .keras file can have") }
    return bytes
  }

  /// Weights and the optimizer's slots as Keras 3's `model.save_weights("x.weights.h5")` writes
  /// them.
  /// - Parameters:
  ///   - path: the file that the bytes are for, named in errors.
  ///   - tail: how many bytes will be added behind them.
  /// - Throws: `HDF5Error`.
  func kerasWeights(for path: String, tail: Int = 0) throws -> Data {
    try HDF5.image(for: path, numbers: numbersLength, tail: tail) { root in
      let layers = try root.makeGroup("layers")
      let tensors = Dictionary(grouping: state.layout.tensors, by: \.layer)
      let groups = StoredWeights.groupNames(architecture.layers.map(\.layer.kerasName))
      for (name, group) in zip(architecture.layers.map(\.name), groups) {
        let variables = try layers.makeGroup("\(group)/vars")
        try variables.write(attribute: "name", name)
        for (number, tensor) in (tensors[name] ?? []).enumerated() {
          try variables.write(
            "\(number)", shape: tensor.shape, UnsafeBufferPointer(state.weights[tensor]))
        }
      }
      if state.suits(optimizer) {
        let variables = try root.makeGroup("optimizer/vars")
        try variables.write(attribute: "name", type(of: optimizer).kerasName)
        try variables.write("0", state.updates)
        try variables.write("1", optimizer.learningRate)
        for (number, (_, buffer, tensor)) in slotTensors.enumerated() {
          try variables.write(
            "\(number + 2)", shape: tensor.shape, UnsafeBufferPointer(buffer[tensor]))
        }
      }
      try writeOwn(to: try root.makeGroup(Name.own))
    }
  }

  /// The layers, and what the model is compiled with, as `.keras` files have them: each object says
  /// the module of its class.
  private var archivedConfiguration: JSON {
    let model = KerasConfiguration.json(architecture)
    let layers = (model["config"]?["layers"]?.array ?? []).map { layer in
      var config = layer["config"]?.object ?? [:]
      if let shape = config.removeValue(forKey: "batch_input_shape") {
        config["batch_shape"] = shape
      }
      return Self.object(layer.adding(["config": .object(config)]), in: "keras.layers")
    }
    let config = (model["config"] ?? [:]).adding(["layers": .array(layers)])
    let training = trainingConfiguration
    let optimizer = training["optimizer_config"] ?? nil
    let loss = training["loss"] ?? nil
    // Keras looks for this class where it is declared.
    let isGraph = model["class_name"]?.string == "Functional"
    // Without the optimizer's state Keras would say that it misses it.
    let isTrained = state.suits(self.optimizer)
    return Self.object(model, in: isGraph ? "keras.src.models.functional" : "keras").adding([
      "config": config,
      "compile_config": !isTrained
        ? nil
        : [
          "optimizer": Self.object(optimizer, in: "keras.optimizers"),
          "loss": loss.object == nil ? loss : Self.object(loss, in: "keras.losses"),
          "loss_weights": nil, "metrics": ["acc"], "weighted_metrics": nil,
        ],
    ])
  }

  /// An object of one of Keras's own classes.
  private static func object(_ object: JSON, in module: String) -> JSON {
    object.adding(["module": .string(module), "registered_name": nil])
  }
}
