import Engine
import Foundation
import KerasFiles
import Primitives
import Testing

/// Twenty steps of training beside Keras's, from the same weights and on the same batches.
@Suite(
  .enabled(if: Python.withKeras != nil, "DOGSLED_PYTHON names no python with TensorFlow"),
  .serialized)
struct TrainingParityTests {
  private static let (steps, batch) = (20, 6)

  /// Sigmoids: where a rectifier is cut off, the last bit of a sum decides.
  private static func model() throws -> Architecture {
    try Architecture(
      input: Shape(height: 14, width: 12, channels: 3),
      layers: [
        (nil, .convolution(Convolution(filters: 6, activation: .linear))),
        (nil, .maxPooling(size: 2)), (nil, .flatten),
        (nil, .dense(units: 20, activation: .sigmoid)),
        (nil, .dense(units: 1, activation: .sigmoid)),
      ])
  }

  private static let optimizers: [(name: String, rule: any Optimizer)] = [
    ("rmsprop", RMSprop(learningRate: 1e-3)),
    ("rmsprop_momentum", RMSprop(learningRate: 1e-3, momentum: 0.8)),
    ("rmsprop_centered", RMSprop(learningRate: 1e-3, rho: 0.95, centered: true)),
    ("rmsprop_both", RMSprop(learningRate: 1e-3, momentum: 0.5, centered: true)),
    ("sgd", SGD(learningRate: 0.05)),
    ("sgd_momentum", SGD(learningRate: 0.02, momentum: 0.9)),
    ("sgd_nesterov", SGD(learningRate: 0.02, momentum: 0.9, nesterov: true)),
    ("adam", Adam()), ("adam_betas", Adam(learningRate: 2e-3, beta1: 0.8, beta2: 0.99)),
    ("adamw", AdamW()), ("adamw_decay", AdamW(learningRate: 3e-3, decay: 0.3)),
  ]

  @Test func `Each optimizer's weights are Keras's after each of twenty steps`() throws {
    let folder = NSTemporaryDirectory() + "dogsled-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let (architecture, size) = (try Self.model(), try Self.model().input.count)
    let draws = CounterRandom(seed: 3, purpose: .samplePicture)
    let labels = (0..<Self.steps * Self.batch).map { Int32(draws.bits(UInt64($0)) & 1) }
    let pictures = (0..<labels.count * size).map { place in
      UInt8(draws.bits(UInt64(1000 + place)) & 127) + UInt8(labels[place / size]) * 60
    }
    try Data(pictures).write(to: URL(fileURLWithPath: folder + "/pictures.bin"))
    try labels.withUnsafeBytes { Data($0) }.write(to: URL(fileURLWithPath: folder + "/labels.bin"))
    let job: [String: Any] = [
      "steps": Self.steps, "batch": Self.batch, "cases": Self.optimizers.map(\.name),
    ]
    try JSONSerialization.data(withJSONObject: job).write(
      to: URL(fileURLWithPath: folder + "/cases.json"))
    for (name, rule) in Self.optimizers {
      var state = ModelState(architecture.parameters, optimizer: rule)
      state.initialize(seed: 5)
      try ModelFile(architecture: architecture, state: state, optimizer: rule)
        .write(to: "\(folder)/\(name).h5")
    }
    try Python.run(Python.withKeras, [Python.script("keras_training.py"), folder], in: folder)
    for (name, rule) in Self.optimizers {
      var state = ModelState(architecture.parameters, optimizer: rule)
      state.initialize(seed: 5)
      try compare(name, rule, &state, architecture, pictures, labels, folder)
    }
  }

  private func compare(
    _ name: String, _ rule: any Optimizer, _ state: inout ModelState, _ architecture: Architecture,
    _ pictures: [UInt8], _ labels: [Int32], _ folder: String
  ) throws {
    let engine = try Engine(architecture, batchCapacity: Self.batch, kernels: try .chosen())
    let updater = try Updater(engine.gradientLayout, kernels: try .chosen())
    let gradient = ParameterBuffer(engine.gradientLayout.buffer)
    let size = architecture.input.count
    try pictures.withUnsafeBufferPointer { bytes in
      for step in 0..<Self.steps {
        let places = step * Self.batch..<(step + 1) * Self.batch
        let batch = Batch(
          pictures: places.compactMap { place in bytes.baseAddress.map { $0 + place * size } },
          labels: places.map { Int(labels[$0]) })
        _ = engine.gradient(batch, weights: state.weights, into: gradient)
        let isFinite = updater.apply(
          rule, to: &state, steps: [StepGradient(gradient, pictures: Self.batch)])
        #expect(isFinite)
        let weights = state.weights
        let keras = try HDF5.read("\(folder)/\(name)_reference.h5") { file in
          try weights.layout.tensors.indices.flatMap { try file.floats("weights/\(step)/\($0)") }
        }
        let own = weights.layout.tensors.flatMap { Array(weights[$0]) }
        #expect(own.count == keras.count)
        #expect(relativeError(own, keras) < 1e-5, "\(name), step \(step)")
      }
    }
    // What Keras remembers at the end, in its own file.
    let saved = try ModelFile(reading: "\(folder)/\(name)_keras.h5")
    guard name != "rmsprop" else { return }
    #expect(saved.optimizer.values.map(\.value) == rule.values.map(\.value), "\(name)")
    #expect(OptimizerName(type(of: saved.optimizer)) == OptimizerName(type(of: rule)))
    #expect(saved.state.updates == Self.steps)
    #expect(saved.state.kinds == state.kinds)
    for (slot, keras) in zip(state.slots, saved.state.slots) {
      let pairs = slot.layout.tensors.map { (Array(slot[$0]), Array(keras[$0])) }
      let error = relativeError(pairs.flatMap(\.0), pairs.flatMap(\.1))
      #expect(error < 1e-3, "\(name)")
    }
  }
}
