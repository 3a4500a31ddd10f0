import Engine
import Testing

/// Dropout: what is dropped, how often, and by what it is drawn.
@Suite struct DropoutTests {
  private static let shapes = [Shape(units: 501), Shape(height: 9, width: 7, channels: 5)]
  private static let batch = 4

  private func probe(
    _ shape: Shape, rate: Float, _ step: TrainingStep?, threads: Int = 1,
    kernels: KernelSet = .baseline
  ) throws -> LayerProbe {
    try LayerProbe(
      layer: .dropout(rate: rate), input: shape, batch: Self.batch, threads: threads,
      kernels: kernels, training: step)
  }

  @Test(arguments: shapes, [Float(0.2), 0.5, 0.9])
  func `What is kept is scaled, forward and backward`(_ shape: Shape, _ rate: Float) throws {
    let probe = try probe(shape, rate: rate, TrainingStep(seed: 1, number: 7))
    let ones = [Float](repeating: 1, count: Self.batch * shape.count)
    let factors = probe.forward(input: ones, kernel: [], bias: [])
    let kept = factors.count { $0 != 0 }
    #expect(Set(factors) == [0, 1 / (1 - rate)])
    // Within four standard deviations.
    let (count, p) = (Double(factors.count), 1 - Double(rate))
    #expect(abs(Double(kept) - count * p) < 4 * (count * p * (1 - p)).squareRoot())
    let (input, gradient) = (noise(factors.count, 2), noise(factors.count, 3))
    let output = probe.forward(input: input, kernel: [], bias: [])
    #expect(output == zip(input, factors).map { $0 * $1 })
    let backward = probe.backward(input: input, kernel: [], bias: [], outputGradient: gradient)
    #expect(backward.inputGradient == zip(gradient, factors).map { $0 * $1 })
  }

  @Test(arguments: [Dropout.Grain.channel, .picture])
  func `Channels and pictures are dropped as one`(_ grain: Dropout.Grain) throws {
    var layer = Dropout(rate: 0.5)
    layer.grain = grain
    let (shape, batch) = (Shape(height: 3, width: 5, channels: 7), 40)
    let probe = try LayerProbe(
      layer: layer, input: shape, batch: batch, threads: 2, kernels: .baseline,
      training: TrainingStep(seed: 1, number: 7))
    let ones = [Float](repeating: 1, count: batch * shape.count)
    let factors = probe.forward(input: ones, kernel: [], bias: [])
    let channels = shape.channels
    var dropped = 0
    for picture in 0..<batch {
      let own = Array(factors[picture * shape.count..<(picture + 1) * shape.count])
      for channel in 0..<channels {
        let one = Set(stride(from: channel, to: own.count, by: channels).map { own[$0] })
        #expect(one.count == 1)
      }
      if grain == .picture { #expect(Set(own).count == 1) }
      dropped += own[..<channels].count { $0 == 0 }
    }
    let units = Double(grain == .picture ? batch : batch * channels)
    let share = Double(dropped) / Double(batch * channels)
    #expect(abs(share - 0.5) < 4 * 0.5 / units.squareRoot())
    #expect(
      probe.backward(input: ones, kernel: [], bias: [], outputGradient: ones)
        .inputGradient == factors)
  }

  @Test(arguments: shapes)
  func `At inference, and with a rate of zero, nothing changes`(_ shape: Shape) throws {
    let input = noise(Self.batch * shape.count, 2)
    for (rate, step) in [(Float(0.5), nil), (0, TrainingStep(seed: 1, number: 7))] {
      let probe = try probe(shape, rate: rate, step)
      #expect(probe.forward(input: input, kernel: [], bias: []) == input)
      let backward = probe.backward(input: input, kernel: [], bias: [], outputGradient: input)
      #expect(backward.inputGradient == input)
    }
  }

  @Test func `It is drawn by seed, step, layer and place, and by nothing else`() throws {
    let model = try EngineTests.smallModel()
    let dense = try #require(model.layers.firstIndex { $0.name.hasPrefix("dense") })
    let bytes = noise(3 * model.input.count, 5).map { UInt8(abs($0) * 200) }
    func gradient(
      _ network: Architecture, _ step: TrainingStep?, threads: Int = 1,
      _ kernels: KernelSet = .baseline
    ) throws -> String {
      let engine = try Engine(network, batchCapacity: 3, threads: threads, kernels: kernels)
      let weights = ParameterBuffer(network.parameters)
      weights.initialize(seed: 4)
      let gradient = ParameterBuffer(engine.gradientLayout.buffer)
      bytes.withUnsafeBufferPointer { bytes in
        let pictures = (0..<3).compactMap { index in
          bytes.baseAddress.map { $0 + index * model.input.count }
        }
        let batch = Batch(pictures: pictures, labels: [0, 1, 1])
        // What another step left behind counts nothing.
        _ = engine.gradient(
          batch, weights: weights, step: TrainingStep(seed: 9, number: 9), into: gradient)
        _ = engine.gradient(batch, weights: weights, step: step, into: gradient)
      }
      return gradient.digest.description
    }
    let step = TrainingStep(seed: 1, number: 3)
    // After a convolution, before the pooling, and before the classifier.
    let network = try self.network(model, at: [1, dense])
    let expected = try gradient(network, step)
    for kernels in KernelSet.available {
      #expect(try gradient(network, step, threads: 2, kernels) == expected)
    }
    let others = try [
      gradient(network, TrainingStep(seed: 2, number: 3)),
      gradient(network, TrainingStep(seed: 1, number: 4)), gradient(network, nil),
      gradient(try self.network(model, at: [dense]), step), gradient(model, step),
    ]
    #expect(Set(others + [expected]).count == others.count + 1)
    // Between a convolution and its pooling the two are not computed as one, and sums have another
    // order; before the classifier every bit is that of the model without.
    #expect(try gradient(self.network(model, at: [dense]), nil) == gradient(model, nil))
  }

  private func network(_ model: Architecture, at places: [Int]) throws -> Architecture {
    var layers = model.layers.map { (name: String?.some($0.name), layer: $0.layer) }
    for place in places.reversed() { layers.insert((nil, .dropout(rate: 0.5)), at: place) }
    return try Architecture(input: model.input, layers: layers)
  }
}
