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
    let labels = (0..<count).map { Float($0 % 2) }
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
        let (weights, average, gradient) = (
          ParameterBuffer(model.parameters), ParameterBuffer(model.parameters),
          ParameterBuffer(engine.gradientLayout.buffer)
        )
        weights.initialize(seed: 3)
        for _ in 0..<3 {
          totals.append(
            engine.gradient(batch, weights: weights, into: gradient))
          updater.apply(
            RMSprop(learningRate: 1e-3), weights: weights, average: average,
            steps: [StepGradient(gradient, pictures: 11)])
        }
        digests.insert(weights.digest)
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
    let (weights, average, gradient) = (
      ParameterBuffer(model.parameters), ParameterBuffer(model.parameters),
      ParameterBuffer(engine.gradientLayout.buffer)
    )
    weights.initialize(seed: 1)
    var totals = Engine.Totals()
    for _ in 0..<40 {
      totals = engine.gradient(batch, weights: weights, into: gradient)
      updater.apply(
        RMSprop(learningRate: 1e-3), weights: weights, average: average,
        steps: [StepGradient(gradient, pictures: 20)])
    }
    #expect(totals.correct == 20 && totals.loss < 2)
    let probabilities = withExtendedLifetime(batch) {
      engine.predict(pictures: batch.pictures, weights: weights)
    }
    #expect(zip(probabilities, batch.labels).allSatisfy { ($0 > 0.5) == ($1 == 1) })
  }

  @Test func updateIsTheFormulaInDoubles() throws {
    let model = try Self.smallModel()
    let layout = model.parameters
    for kernels in KernelSet.available {
      let (weights, average, gradient) = (
        ParameterBuffer(layout), ParameterBuffer(layout), ParameterBuffer(layout)
      )
      // Squares from 1e-30 to 10, and some zeros.
      for (i, x) in noise(layout.bufferCount, 1).enumerated() {
        gradient.floats[i] = i % 7 == 0 ? 0 : x * Float(pow(10, Double(i % 16) - 15))
        average.floats[i] = i % 5 == 0 ? 0 : abs(x) * Float(pow(10, Double(i % 31) - 30))
      }
      let before = Array(average.buffer)
      try Updater(GradientLayout(layout, batch: 1), threads: 2, kernels: kernels).apply(
        RMSprop(learningRate: 1e-4), weights: weights, average: average, gradientSum: gradient,
        pictures: 1)
      var expected: [Double] = []
      for i in 0..<layout.bufferCount {
        let g = Double(gradient.floats[i])
        let a = 0.9 * Double(before[i]) + 0.1 * g * g
        expected.append(-1e-4 * g / (a.squareRoot() + 1e-7))
        #expect(abs(Double(average.floats[i]) - a) <= 1e-6 * a + 1e-44)
        #expect(abs(Double(weights.floats[i]) - expected[i]) <= 1e-6 * abs(expected[i]))
      }
      #expect(relativeError(Array(weights.buffer), expected) < 1e-6)
    }
  }

  /// Wherever it comes from: a gradient, a sum or a square that overflows, or the step size.
  @Test(arguments: KernelSet.available)
  func anUpdateSaysWhereNumbersEnd(_ kernels: KernelSet) throws {
    let layout = try Self.smallModel().parameters
    let updater = try Updater(GradientLayout(layout, batch: 1), threads: 2, kernels: kernels)
    let last = try #require(layout.tensors.last).offset
    func update(_ value: Float, at place: Int, rate: Float = 1e-4, twice: Bool = false) -> Bool {
      let (weights, average, gradient) = (
        ParameterBuffer(layout), ParameterBuffer(layout), ParameterBuffer(layout)
      )
      gradient.floats[place] = value
      let optimizer = RMSprop(learningRate: rate)
      let isFinite = updater.apply(
        optimizer, weights: weights, average: average, gradientSum: gradient, pictures: 1)
      #expect(isFinite == (weights.isFinite && average.isFinite))
      // It is told of each update anew.
      gradient.floats[place] = 1
      let isCalm = updater.apply(
        RMSprop(), weights: ParameterBuffer(layout), average: ParameterBuffer(layout),
        gradientSum: gradient, pictures: 1)
      #expect(isCalm)
      return isFinite
    }
    for place in [0, 1, 15, layout.tensors[1].offset, last] {
      for value in [Float.nan, .infinity, -.infinity, 1e20] { #expect(!update(value, at: place)) }
      for value in [0, Float(1), -1e18, .leastNonzeroMagnitude] {
        #expect(update(value, at: place))
      }
      #expect(!update(1, at: place, rate: 3e38))
    }
  }
}
