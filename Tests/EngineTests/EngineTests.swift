import Engine
import Foundation
import Primitives
import Testing

/// Whole networks: the same bits everywhere, and gradients that lead downhill.
@Suite struct EngineTests {
  static func smallModel() throws -> Architecture {
    try Architecture(
      input: Shape(height: 26, width: 30, channels: 3),
      layers: [
        (nil, .convolution(Convolution(filters: 8))), (nil, .maxPooling(size: 2)),
        (nil, .convolution(Convolution(filters: 40, size: 5, padding: .same))),
        (nil, .maxPooling(size: 3)), (nil, .flatten), (nil, .dense(units: 20, activation: .relu)),
        (nil, .dense(units: 1, activation: .sigmoid)),
      ])
  }

  /// Sigmoids inside, before a layer with and one without padding.
  static func sigmoidModel() throws -> Architecture {
    try Architecture(
      input: Shape(height: 26, width: 30, channels: 3),
      layers: [
        (nil, .convolution(Convolution(filters: 16))), (nil, .maxPooling(size: 2)),
        (nil, .convolution(Convolution(filters: 24))), (nil, .flatten),
        (nil, .dense(units: 32, activation: .sigmoid)),
        (nil, .dense(units: 9, activation: .sigmoid)),
        (nil, .dense(units: 1, activation: .sigmoid)),
      ])
  }

  static let models = [smallModel, sigmoidModel]

  /// Pictures of noise, which the batch owns; class 1 is brighter on the left.
  static func batch(_ model: Architecture, count: Int) -> Batch {
    let random = CounterRandom(seed: 9, purpose: .benchmark)
    let labels = (0..<count).map { $0 % 2 }
    let pictures = (0..<count).map { n in
      Picture(
        (0..<model.input.count).map { i -> UInt8 in
          let left = i / 3 % model.input.width < model.input.width / 2
          let base: UInt64 = left == (labels[n] == 1) ? 100 : 0
          return UInt8(base + random.bits(UInt64(n * model.input.count + i)) % 150)
        })
    }
    return Batch(pictures: pictures.map(\.bytes), labels: labels, owners: pictures)
  }

  private final class Picture {
    let bytes: UnsafePointer<UInt8>

    init(_ values: [UInt8]) {
      let memory = UnsafeMutablePointer<UInt8>.allocate(capacity: values.count)
      memory.initialize(from: values, count: values.count)
      bytes = UnsafePointer(memory)
    }

    deinit { bytes.deallocate() }
  }

  @Test(arguments: models.indices)
  func sameBitsForEveryThreadCountAndInstructionSet(_ index: Int) throws {
    let model = try Self.models[index]()
    let batch = Self.batch(model, count: 11)
    var digests: Set<Digest> = []
    var totals: [Engine.Totals] = []
    for kernels in KernelSet.available {
      for threads in [1, 2, 3] {
        let engine = try Engine(model, batchCapacity: 13, threads: threads, kernels: kernels)
        let updater = try Updater(engine.gradientLayout, threads: threads, kernels: kernels)
        var state = ModelState(model.parameters, optimizer: RMSprop())
        let gradient = ParameterBuffer(engine.gradientLayout.buffer)
        state.initialize(seed: 3)
        for _ in 0..<3 {
          totals.append(
            engine.gradient(batch, weights: state.weights, into: gradient))
          updater.apply(
            RMSprop(learningRate: 1e-3), to: &state, steps: [StepGradient(gradient, pictures: 11)])
        }
        digests.insert(state.digest)
      }
    }
    #expect(digests.count == 1)
    #expect(Set(totals.map(\.loss)).count == 3)
  }

  /// The first update equals (loss at w + h d - loss at w - h d) / 2h along the gradient d.
  @Test(arguments: models.indices)
  func gradientIsTheSlopeOfTheLoss(_ index: Int) throws {
    let model = try Self.models[index]()
    let batch = Self.batch(model, count: 8)
    let engine = try Engine(model, batchCapacity: 8, threads: 2, kernels: try .chosen())
    let (weights, moved, gradient, stepGradient) = (
      ParameterBuffer(model.parameters), ParameterBuffer(model.parameters),
      ParameterBuffer(model.parameters), ParameterBuffer(engine.gradientLayout.buffer)
    )
    weights.initialize(seed: 5)
    _ = engine.gradient(batch, weights: weights, into: stepGradient)
    try Updater(engine.gradientLayout, kernels: try .chosen()).sum(
      [StepGradient(stepGradient, pictures: 8)], into: gradient)
    let square = gradient.buffer.reduce(0.0) { $0 + Double($1) * Double($1) }
    func loss(_ step: Float) -> Double {
      for i in moved.buffer.indices {
        moved.floats[i] = weights.floats[i] + step * gradient.floats[i]
      }
      return engine.evaluate(batch, weights: moved).loss
    }
    let step = Float(2e-3 / square.squareRoot())
    let slope = (loss(step) - loss(-step)) / (2 * Double(step))
    #expect(abs(slope / square - 1) < 2e-2)
  }

  @Test func learnsASimpleRule() throws {
    let model = try Self.smallModel()
    let batch = Self.batch(model, count: 20)
    let engine = try Engine(model, batchCapacity: 20, threads: 2, kernels: try .chosen())
    let updater = try Updater(engine.gradientLayout, kernels: try .chosen())
    var state = ModelState(model.parameters, optimizer: RMSprop())
    let gradient = ParameterBuffer(engine.gradientLayout.buffer)
    state.initialize(seed: 1)
    var totals = Engine.Totals()
    for _ in 0..<40 {
      totals = engine.gradient(batch, weights: state.weights, into: gradient)
      updater.apply(
        RMSprop(learningRate: 1e-3), to: &state, steps: [StepGradient(gradient, pictures: 20)])
    }
    #expect(totals.correct == 20 && totals.loss < 2)
    let probabilities = withExtendedLifetime(batch) {
      engine.predict(pictures: batch.pictures, weights: state.weights)
    }
    #expect(zip(probabilities, batch.labels).allSatisfy { $0[$1] > 0.5 })
    #expect(probabilities.allSatisfy { $0.count == 2 && $0[0] + $0[1] == 1 })
  }
}
