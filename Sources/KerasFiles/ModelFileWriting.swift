// A model into a file as Keras 3's `model.save("x.h5")` lays it out, so that `load_model` opens it
// compiled, with its weights and the optimizer's slots.

import Engine
import Foundation
import Primitives

extension ModelFile {
  /// Writes beside `path`, syncs and renames: what was at `path` stays where anything fails.
  /// - Parameter previous: where what was at `path` is afterwards.
  /// - Throws: `ModelFileError`.
  public func write(to path: String, keeping previous: String? = nil) throws {
    do {
      let image = try HDF5.image(
        for: path, numbers: numbersLength, tail: ModelFileSeal.length
      ) { root in
        try root.write(attribute: "backend", "tensorflow")
        try root.write(attribute: "keras_version", "3.0.0")
        try root.write(attribute: Name.configuration, KerasConfiguration.encode(architecture))
        try root.write(attribute: Name.training, trainingConfiguration.text)
        try writeWeights(to: try root.makeGroup(Name.weights))
        if state.suits(optimizer) {
          try writeOptimizer(to: try root.makeGroup(Name.optimizer))
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
    let byLayer = Dictionary(grouping: state.layout.tensors, by: \.layer)
    for (layer, _) in architecture.layers {
      let tensors = byLayer[layer] ?? []
      let names = tensors.map { "sequential/\(layer)/\($0.kind.rawValue)" }
      let part = try group.makeGroup(layer)
      try part.write(attribute: Name.tensors, names)
      for (name, tensor) in zip(names, tensors) {
        try part.write(name, shape: tensor.shape, UnsafeBufferPointer(state.weights[tensor]))
      }
    }
    try group.makeGroup("top_level_model_weights").write(attribute: Name.tensors, [])
  }

  private func writeOptimizer(to group: HDF5NewGroup) throws {
    let rule = type(of: optimizer)
    let names = slotTensors.map { slot, _, tensor in
      "\(rule.kerasName)/sequential_\(tensor.layer)_\(tensor.kind.rawValue)_\(slot.kerasName)"
    }
    let scalars = ["\(rule.kerasName)/iteration", "\(rule.kerasName)/learning_rate"]
    try group.write(attribute: Name.tensors, scalars + names)
    try group.write(scalars[0], state.updates)
    try group.write(scalars[1], optimizer.learningRate)
    for (name, (_, buffer, tensor)) in zip(names, slotTensors) {
      try group.write(name, shape: tensor.shape, UnsafeBufferPointer(buffer[tensor]))
    }
  }

  /// About how many bytes of numbers a file of it has.
  var numbersLength: Int {
    ([state.weights] + state.slots).reduce(0) { $0 + 4 * $1.layout.bufferCount }
  }

  /// The optimizer's slots of each tensor that it updates, in Keras's order.
  var slotTensors: [(slot: OptimizerSlot, buffer: ParameterBuffer, tensor: ParameterLayout.Tensor)]
  {
    let (slots, tensors) = (zip(state.kinds, state.slots), state.layout.trained)
    return type(of: optimizer).interleavesSlots
      ? tensors.flatMap { tensor in slots.map { ($0, $1, tensor) } }
      : slots.flatMap { slot in tensors.map { (slot.0, slot.1, $0) } }
  }

  func writeOwn(to group: HDF5NewGroup) throws {
    if let classes {
      for (number, part) in HDF5NewGroup.pieces(of: classes).enumerated() {
        try group.write(attribute: Name.classes(number), part)
      }
    }
    if let pictures { try group.write(attribute: Name.pictures, pictures.description) }
    let encoder = JSONEncoder.anyNumbers
    encoder.outputFormatting = .sortedKeys
    func write(_ name: String, _ value: (some Encodable)?) throws {
      guard let value else { return }
      let json = String(decoding: try encoder.encode(value), as: UTF8.self)
      try group.write(attribute: name, json)
    }
    try write(Name.position, position)
    try write(Name.best, best)
  }

  /// What Keras compiles the model with.
  var trainingConfiguration: JSON {
    let rule = type(of: optimizer)
    var settings: [String: JSON] = ["name": .string(rule.kerasName)]
    for name in rule.kerasSwitches { settings[name] = false }
    let flags = rule.flags
    for (name, value) in optimizer.values {
      settings[name] =
        flags.contains(name) ? .bool(value != 0) : .number(Double("\(value)") ?? 0)
    }
    // Keras has it in a variable of 32 bits, and writes what that is in 64.
    settings["learning_rate"] = .number(Double(optimizer.learningRate))
    return [
      "loss": loss, "loss_weights": nil,
      "metrics": ["acc"], "weighted_metrics": nil,
      "optimizer_config": ["class_name": .string(rule.kerasClass), "config": .object(settings)],
    ]
  }

  /// The loss by its name, or with its label smoothing as Keras writes an object of the class.
  private var loss: JSON {
    let kind = type(of: architecture.loss)
    guard labelSmoothing > 0 else { return .string(kind.kerasName) }
    return [
      "class_name": .string(kind.kerasClass),
      "config": [
        "name": .string(kind.kerasName), "reduction": "sum_over_batch_size", "from_logits": false,
        "label_smoothing": .number(Double("\(labelSmoothing)") ?? 0), "axis": -1,
      ],
    ]
  }
}
