import Engine
import Primitives
import Testing

/// Gradients cut into parts: which floats each has, when they are there, and what they sum to.
@Suite struct GradientPartTests {
  /// One kernel pays as factors, and has more than a tile of a sum in both directions.
  private static func factoredModel() throws -> Architecture {
    try Architecture(
      input: Shape(height: 8, width: 8, channels: 3),
      layers: [
        (nil, .convolution(Convolution(filters: 8))), (nil, .flatten),
        (nil, .dense(units: 1088, activation: .relu)),
        (nil, .dense(units: 1, activation: .sigmoid)),
      ])
  }

  private static let models = [EngineTests.smallModel, EngineTests.sigmoidModel, factoredModel]
  private static let batch = 3

  // MARK: Cutting

  @Test(arguments: [16, 48, 1 << 14], [true, false])
  func `Parts cover every float of every tensor once, and in order`(
    most: Int, factors: Bool
  ) throws {
    for model in Self.models {
      expectCovered(
        GradientLayout(try model().parameters, batch: Self.batch, factors: factors), most)
    }
  }

  private func expectCovered(_ layout: GradientLayout, _ most: Int) {
    let parts = layout.parts(most: most)
    #expect(parts.map(\.index) == Array(parts.indices))
    #expect(parts.allSatisfy { (1...most).contains($0.floats.count) })
    // A tile is summed in vectors.
    #expect(parts.allSatisfy { $0.floats.lowerBound % 16 == 0 })
    var left = parts[...]
    for tensor in layout.buffer.tensors {
      var next = tensor.offset
      let end = tensor.offset + tensor.count
      while next < end, let part = left.popFirst() {
        #expect(part.floats.lowerBound == next)
        #expect(part.layer == tensor.layer)
        #expect(part.isPerStep == [.inputs, .outputGradients].contains(tensor.kind))
        next = part.floats.upperBound
      }
      #expect(next == end)
    }
    #expect(left.isEmpty)
    // No more of them than it takes.
    let fewest = layout.buffer.tensors.reduce(0) { $0 + ($1.count + most - 1) / most }
    #expect(parts.count == fewest)
  }

  @Test func `A layer's factors are marked, and nothing else`() throws {
    let parameters = try Self.factoredModel().parameters
    let factored = GradientLayout(parameters, batch: Self.batch).parts(most: 1 << 14)
    let dense = parameters.tensors[2].layer
    #expect(factored.filter(\.isPerStep).map(\.layer) == [dense, dense])
    let whole = GradientLayout(parameters, batch: Self.batch, factors: false)
    #expect(whole.parts(most: 1 << 14).allSatisfy { !$0.isPerStep })
  }

  @Test func `A state's tiles cover every weight once, and in order`() throws {
    for model in Self.models {
      let layout = try model().parameters
      for most in [16, 1 << 10, 1 << 14] {
        let tiles = layout.tiles(most: most)
        #expect(tiles.allSatisfy { (1...most).contains($0.count) && $0.lowerBound % 16 == 0 })
        let weights = layout.tensors.flatMap { Array($0.offset..<$0.offset + $0.count) }
        #expect(tiles.flatMap { Array($0) } == weights)
      }
    }
  }

  // MARK: Getting ready

  @Test(arguments: models.indices, [1, 3])
  func `Each layer is ready once, the last one first, and does not change after that`(
    _ index: Int, threads: Int
  ) throws {
    let model = try Self.models[index]()
    let batch = EngineTests.batch(model, count: Self.batch)
    let engine = try Engine(
      model, batchCapacity: Self.batch, threads: threads, kernels: try .chosen())
    let (weights, gradient) = (
      ParameterBuffer(model.parameters), ParameterBuffer(engine.gradientLayout.buffer)
    )
    weights.initialize(seed: 5)
    let parts = engine.gradientLayout.parts(most: 64)
    // What was there before belongs to another step.
    gradient.buffer.update(repeating: 77)
    for tensor in gradient.layout.tensors { gradient[tensor].update(repeating: .nan) }
    var order: [String] = []
    var floats: [String: [UInt32]] = [:]
    func bits(_ layer: String) -> [UInt32] {
      parts.filter { $0.layer == layer }.flatMap { gradient.buffer[$0.floats].map(\.bitPattern) }
    }
    let totals = engine.gradient(batch, weights: weights, into: gradient) { layer in
      // Stages without tensors have nothing to be ready.
      guard parts.contains(where: { $0.layer == layer }) else { return }
      order.append(layer)
      floats[layer] = bits(layer)
    }
    var layers: [String] = []
    for part in parts where layers.last != part.layer { layers.append(part.layer) }
    #expect(order == layers.reversed())
    for layer in layers { #expect(floats[layer] == bits(layer), "\(layer)") }
    #expect(gradient.buffer.allSatisfy { !$0.isNaN })
    // Nobody has to listen.
    let other = ParameterBuffer(engine.gradientLayout.buffer)
    let unheard = engine.gradient(batch, weights: weights, into: other)
    #expect(totals == unheard)
    #expect(other.digest == gradient.digest)
  }

  // MARK: Summing

  /// A step's gradient whose sum with others depends on the order.
  private static func gradient(_ step: Int, _ layout: GradientLayout) -> StepGradient {
    let buffer = ParameterBuffer(layout.buffer)
    let draws = CounterRandom(seed: 5, purpose: .benchmark, UInt64(step))
    for tensor in layout.buffer.tensors {
      for index in buffer[tensor].indices {
        let draw = UInt64(tensor.offset + index)
        let scale: Float = draws.bits(draw) & 1 == 0 ? 1e6 : 1
        buffer[tensor][index] = draws.symmetricFloat(draw) * scale
      }
    }
    return StepGradient(buffer, pictures: step % batch + 1)
  }

  @Test(arguments: [1, 2, 3, 8, 10, 17], [true, false])
  func `Sums made part by part, and factors, make the update that the steps make`(
    count: Int, factors: Bool
  ) throws {
    let layout = GradientLayout(
      try Self.factoredModel().parameters, batch: Self.batch, factors: factors)
    let steps = (0..<count).map { Self.gradient($0, layout) }
    for kernels in KernelSet.available {
      let updater = try Updater(layout, steps: count, threads: 2, kernels: kernels)
      var (expected, state) = (
        ModelState(layout.parameters, optimizer: RMSprop()),
        ModelState(layout.parameters, optimizer: RMSprop())
      )
      for _ in 0..<2 { updater.apply(RMSprop(), to: &expected, steps: steps) }
      for (round, most) in [48, 1 << 14].enumerated() {
        let wholes = ParameterBuffer(layout.buffer)
        // Nobody reads what it has in a factor's place, nor the steps' sums in their own.
        wholes.buffer.update(repeating: .nan)
        let factorsAlone = steps.map { step in
          let own = ParameterBuffer(layout.buffer)
          own.buffer.update(repeating: .nan)
          return StepGradient(own, pictures: step.pictures)
        }
        let parts = layout.parts(most: most)
        let order = CounterRandom(seed: 8, purpose: .benchmark, UInt64(round))
          .permutation(parts.count)
        for index in order {
          let part = parts[index]
          if part.isPerStep {
            for (own, step) in zip(factorsAlone, steps) {
              own.buffer.copy(part.floats, from: step.buffer)
            }
          } else {
            updater.sum(part.floats, of: steps, into: wholes)
          }
        }
        updater.apply(RMSprop(), to: &state, steps: factorsAlone, wholes: wholes)
      }
      #expect(state.digest == expected.digest && state.isFinite)
      #expect(state.slots.map(\.digest) == expected.slots.map(\.digest))
      #expect(state.updates == 2)
    }
  }
}
