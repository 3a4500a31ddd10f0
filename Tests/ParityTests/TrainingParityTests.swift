import Coordination
import Engine
import Foundation
import KerasFiles
import Primitives
import Runs
import Testing

/// Twenty steps of training beside Keras's, from the same weights and on the same batches.
@Suite(
  .enabled(if: Python.withKeras != nil, "DOGSLED_PYTHON names no python with TensorFlow"))
struct TrainingParityTests {
  private static let (steps, batch) = (20, 6)

  private struct Case {
    let name: String
    let rule: any Optimizer
    var decay: Float = 0
    var smoothing: Float = 0
    var weights: [Float] = []
    var rates: [Float] = []
    var classes = 2

    /// As the script takes it.
    var json: [String: Any] {
      func numbers(_ floats: [Float]) -> [Double] { floats.map(Double.init) }
      return [
        "name": name, "smoothing": Double("\(smoothing)") ?? 0, "weights": numbers(weights),
        "rates": numbers(rates),
      ]
    }

    /// Sigmoids: where a rectifier is cut off, the last bit of a sum decides.
    func model() throws -> Architecture {
      let plain = try Architecture(
        input: Shape(height: 14, width: 12, channels: 3),
        layers: [
          (nil, .convolution(Convolution(filters: 6, activation: .linear))),
          (nil, .maxPooling(size: 2)), (nil, .flatten),
          (nil, .dense(units: 20, activation: .sigmoid)),
          classes == 2
            ? (nil, .dense(units: 1, activation: .sigmoid))
            : (nil, .dense(units: classes, activation: .softmax)),
        ])
      return decay > 0 ? try plain.addingDecay(decay) : plain
    }

    /// The first step's state.
    func state(_ model: Architecture) -> ModelState {
      var state = ModelState(model.parameters, optimizer: rule)
      state.initialize(seed: 5)
      return state
    }
  }

  private static let cases: [Case] = [
    Case(name: "rmsprop", rule: RMSprop(learningRate: 1e-3)),
    Case(name: "rmsprop_momentum", rule: RMSprop(learningRate: 1e-3, momentum: 0.8)),
    Case(name: "rmsprop_centered", rule: RMSprop(learningRate: 1e-3, rho: 0.95, centered: true)),
    Case(name: "rmsprop_both", rule: RMSprop(learningRate: 1e-3, momentum: 0.5, centered: true)),
    Case(name: "sgd", rule: SGD(learningRate: 0.05)),
    Case(name: "sgd_momentum", rule: SGD(learningRate: 0.02, momentum: 0.9)),
    Case(name: "sgd_nesterov", rule: SGD(learningRate: 0.02, momentum: 0.9, nesterov: true)),
    Case(name: "adam", rule: Adam()),
    Case(name: "adam_betas", rule: Adam(learningRate: 2e-3, beta1: 0.8, beta2: 0.99)),
    Case(name: "adamw", rule: AdamW()),
    Case(name: "adamw_decay", rule: AdamW(learningRate: 3e-3, decay: 0.3)),
    Case(name: "decay", rule: SGD(learningRate: 0.02, momentum: 0.9), decay: 0.02),
    Case(name: "decay_adam", rule: Adam(), decay: 0.01),
    Case(name: "smoothing", rule: SGD(learningRate: 0.05), smoothing: 0.2),
    Case(name: "smoothing_softmax", rule: SGD(learningRate: 0.05), smoothing: 0.2, classes: 3),
    Case(
      name: "all_softmax", rule: Adam(), decay: 0.005, smoothing: 0.1, weights: [2, 0.75, 1.5],
      classes: 3),
    Case(name: "weights", rule: SGD(learningRate: 0.05), weights: [0.5, 3]),
    Case(
      name: "all", rule: Adam(), decay: 0.005, smoothing: 0.1, weights: [2, 0.75],
      rates: (0..<steps).map { 1e-3 * Float($0 + 1) / 8 }),
  ]

  @Test func `Weights and losses are Keras's in each of twenty steps`() throws {
    let folder = NSTemporaryDirectory() + "dogsled-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let size = try Self.cases[0].model().input.count
    let draws = CounterRandom(seed: 3, purpose: .samplePicture)
    let labels = (0..<Self.steps * Self.batch).map { Int32(draws.bits(UInt64($0)) & 1) }
    let pictures = (0..<labels.count * size).map { place in
      UInt8(draws.bits(UInt64(1000 + place)) & 127) + UInt8(labels[place / size]) * 60
    }
    try Data(pictures).write(to: URL(fileURLWithPath: folder + "/pictures.bin"))
    for classes in [2, 3] {
      try Self.labels(labels, classes).withUnsafeBytes { Data($0) }.write(
        to: URL(fileURLWithPath: "\(folder)/labels\(classes).bin"))
    }
    let job: [String: Any] = [
      "steps": Self.steps, "batch": Self.batch, "cases": Self.cases.map(\.json),
    ]
    try JSONSerialization.data(withJSONObject: job).write(
      to: URL(fileURLWithPath: folder + "/cases.json"))
    for one in Self.cases {
      let model = try one.model()
      try ModelFile(
        architecture: model, state: one.state(model), optimizer: one.rule,
        labelSmoothing: one.smoothing
      ).write(to: "\(folder)/\(one.name).h5")
    }
    try Python.run(Python.withKeras, [Python.script("keras_training.py"), folder], in: folder)
    for one in Self.cases { try compare(one, pictures, Self.labels(labels, one.classes), folder) }
  }

  /// Of two classes' labels those of three: some are one class on.
  private static func labels(_ labels: [Int32], _ classes: Int) -> [Int32] {
    classes == 2 ? labels : labels.enumerated().map { $1 + ($0 % 3 == 0 ? 1 : 0) }
  }

  private func compare(
    _ one: Case, _ pictures: [UInt8], _ labels: [Int32], _ folder: String
  ) throws {
    let model = try one.model()
    var state = one.state(model)
    let engine = try Engine(
      model, batchCapacity: Self.batch, labelSmoothing: one.smoothing, kernels: try .chosen())
    let updater = try Updater(engine.gradientLayout, kernels: try .chosen())
    let gradient = ParameterBuffer(engine.gradientLayout.buffer)
    let size = model.input.count
    let losses = try HDF5.read("\(folder)/\(one.name)_reference.h5") { try $0.floats("losses") }
    try #require(losses.count == Self.steps)
    try pictures.withUnsafeBufferPointer { bytes in
      for step in 0..<Self.steps {
        let places = step * Self.batch..<(step + 1) * Self.batch
        let batch = Batch(
          pictures: places.compactMap { place in bytes.baseAddress.map { $0 + place * size } },
          labels: places.map { Int(labels[$0]) }
        ).weighted(one.weights)
        let penalty = state.weights.penalty(inUpdate: 0)
        let totals = engine.gradient(batch, weights: state.weights, into: gradient)
        let loss = totals.loss / Double(totals.count) + penalty
        #expect(abs(loss - Double(losses[step])) < 1e-6 * max(1, loss), "\(one.name), step \(step)")
        var rule = one.rule
        if !one.rates.isEmpty { rule.learningRate = one.rates[step] }
        let isFinite = updater.apply(
          rule, to: &state, steps: [StepGradient(gradient, pictures: Self.batch)])
        #expect(isFinite)
        let weights = state.weights
        let keras = try HDF5.read("\(folder)/\(one.name)_reference.h5") { file in
          try weights.layout.tensors.indices.flatMap { try file.floats("weights/\(step)/\($0)") }
        }
        let own = weights.layout.tensors.flatMap { Array(weights[$0]) }
        #expect(own.count == keras.count)
        #expect(relativeError(own, keras) < 1e-5, "\(one.name), step \(step)")
      }
    }
    try compareFile(one, model, state, folder)
  }

  /// What Keras remembers at the end, in its own file.
  private func compareFile(
    _ one: Case, _ model: Architecture, _ state: ModelState, _ folder: String
  ) throws {
    let saved = try ModelFile(reading: "\(folder)/\(one.name)_keras.h5")
    #expect(saved.architecture == model, "\(one.name)")
    #expect(saved.labelSmoothing == one.smoothing, "\(one.name)")
    // The script has the book's rule as a class of its own.
    guard one.name != "rmsprop" else { return }
    if one.rates.isEmpty {
      #expect(saved.optimizer.values.map(\.value) == one.rule.values.map(\.value), "\(one.name)")
    }
    #expect(OptimizerName(type(of: saved.optimizer)) == OptimizerName(type(of: one.rule)))
    #expect(saved.state.updates == Self.steps)
    #expect(saved.state.kinds == state.kinds)
    for (slot, keras) in zip(state.slots, saved.state.slots) {
      let pairs = slot.layout.tensors.map { (Array(slot[$0]), Array(keras[$0])) }
      #expect(relativeError(pairs.flatMap(\.0), pairs.flatMap(\.1)) < 1e-3, "\(one.name)")
    }
  }

  /// Its rates are what the script's steps are given by `rates`.
  @Test func `A cosine with a warm-up, and stairs, have Keras's rates`() throws {
    let program = """
      import keras
      schedules = keras.optimizers.schedules
      cosine = schedules.CosineDecay(0.0, 15, 0.0, warmup_target=0.02, warmup_steps=5)
      plain = schedules.CosineDecay(0.02, 20)
      stairs = schedules.ExponentialDecay(0.02, 10, 0.25, staircase=True)
      for step in range(20):
          print(*[float(schedule(step)) for schedule in (cosine, plain, stairs)])
      """
    let folder = NSTemporaryDirectory()
    let text = try Python.run(Python.withKeras, ["-c", program], in: folder)
    let rows = text.split(separator: "\n").map { $0.split(separator: " ").compactMap { Float($0) } }
    try #require(rows.count == 20)
    let schedule = Schedule(
      epochs: 4, stepsPerEpoch: 5, batchesPerUpdate: 1, validationBatches: 1)
    var values = Hyperparameters()
    (values.learningRate, values.epochs, values.rateSchedule) = (0.02, 4, .cosine)
    let plain = values
    values.warmUp = 1
    let cosine = values
    (values.warmUp, values.rateSchedule, values.decayEpochs, values.decayFactor) = (
      0, .step, 2, 0.25
    )
    for (step, row) in rows.enumerated() {
      for (values, keras) in zip([cosine, plain, values], row) {
        let own = values.rate(ofUpdate: step, schedule, reductions: 0)
        #expect(abs(own - keras) <= 2e-7 * 0.02, "step \(step): \(own), \(keras)")
      }
    }
  }
}
