import Engine
import Foundation
import Testing

/// Each layer's kernels against the plain reference, on every instruction set.
@Suite struct LayerTests {
  struct Case: CustomTestStringConvertible, Sendable {
    var size = 3
    var stride = 1
    var padding = Padding.valid
    var activation = Activation.relu
    var filters = 32
    var pooling = 1
    var input = Shape(height: 9, width: 11, channels: 32)
    var batch = 5

    var testDescription: String {
      "\(size)x\(size)/\(stride) \(padding) \(activation) pool \(pooling) \(input) -> \(filters)"
    }
  }

  static let cases = [
    Case(),
    Case(pooling: 2),
    Case(filters: 64, pooling: 3, input: Shape(height: 17, width: 13, channels: 3)),
    Case(size: 5, filters: 7, input: Shape(height: 8, width: 8, channels: 5), batch: 1),
    Case(
      size: 1, activation: .linear, filters: 33, input: Shape(height: 4, width: 40, channels: 40)),
    Case(stride: 2, padding: .same, filters: 16, pooling: 2),
    Case(size: 4, stride: 3, padding: .same, input: Shape(height: 11, width: 10, channels: 6)),
    Case(padding: .same, activation: .linear, filters: 96, batch: 3),
    // By Winograd's tiles: whole ones, and each way in which one can hang over the edge.
    Case(filters: 96, pooling: 2, input: Shape(height: 18, width: 18, channels: 64), batch: 7),
    Case(filters: 24, pooling: 2, input: Shape(height: 13, width: 8, channels: 20), batch: 2),
    Case(padding: .same, filters: 40, pooling: 2, input: Shape(height: 8, width: 15, channels: 48)),
    Case(padding: .same, input: Shape(height: 7, width: 4, channels: 16), batch: 1),
    Case(padding: .same, input: Shape(height: 9, width: 9, channels: 32), batch: 9),
    Case(pooling: 4, input: Shape(height: 14, width: 11, channels: 32), batch: 2),
    Case(size: 5, pooling: 5, input: Shape(height: 14, width: 19, channels: 3), batch: 2),
    Case(input: Shape(height: 3, width: 3, channels: 32), batch: 9),
    Case(
      size: 2, stride: 2, filters: 40, input: Shape(height: 30, width: 29, channels: 3), batch: 2),
  ]

  @Test(arguments: cases, KernelSet.available)
  func convolution(_ c: Case, _ kernels: KernelSet) throws {
    let layer = Convolution(
      filters: c.filters, size: c.size, stride: c.stride, padding: c.padding,
      activation: c.activation)
    let reference = Reference(layer, pooling: c.pooling, input: c.input, batch: c.batch)
    let probe = try LayerProbe(
      layer: .convolution(layer), pooling: c.pooling, input: c.input, batch: c.batch, threads: 2,
      kernels: kernels)
    let input = noise(c.batch * c.input.count, 1)
    let kernel = noise(c.size * c.size * c.input.channels * c.filters, 2)
    let bias = noise(c.filters, 3)
    let gradient = noise(c.batch * reference.pooled.count, 4)

    // Winograd's transforms cost a digit, most of it in the largest tiles.
    let tolerance = c.size == 3 && c.stride == 1 && c.input.channels >= 16 ? 4e-6 : 1e-6
    let map = reference.activated(input, kernel, bias)
    let expected = reference.chosen(map).map { map[$0] }
    #expect(
      relativeError(probe.forward(input: input, kernel: kernel, bias: bias), expected) < tolerance)

    let wanted = reference.backward(input, kernel, bias, gradient)
    let got = probe.backward(input: input, kernel: kernel, bias: bias, outputGradient: gradient)
    #expect(relativeError(got.inputGradient, wanted.input) < tolerance)
    #expect(relativeError(got.kernelGradient, wanted.kernel) < tolerance)
    #expect(relativeError(got.biasGradient, wanted.bias) < tolerance)
  }

  static let denseCases = [(100, 64, 20), (37, 1, 7), (6, 50, 3), (513, 33, 1)].flatMap { sizes in
    [Activation.linear, .relu, .sigmoid].map { (sizes.0, sizes.1, sizes.2, $0) }
  }

  @Test(arguments: denseCases, KernelSet.available)
  func dense(
    _ layer: (inputs: Int, units: Int, batch: Int, activation: Activation), _ kernels: KernelSet
  ) throws {
    let (inputs, units, batch, activation) = layer
    let probe = try LayerProbe(
      layer: .dense(units: units, activation: activation), input: Shape(units: inputs),
      batch: batch, threads: 2, kernels: kernels, isLast: false)
    let (input, kernel, bias) = (
      noise(batch * inputs, 1), noise(inputs * units, 2), noise(units, 3)
    )
    let gradient = noise(batch * units, 4)
    var output = [Double](repeating: 0, count: batch * units)
    var (inputGradient, kernelGradient, biasGradient) = (
      [Double](repeating: 0, count: input.count), [Double](repeating: 0, count: kernel.count),
      [Double](repeating: 0, count: units)
    )
    for n in 0..<batch {
      for u in 0..<units {
        var sum = Double(bias[u])
        for i in 0..<inputs { sum += Double(input[n * inputs + i]) * Double(kernel[i * units + u]) }
        let (value, slope): (Double, Double) =
          switch activation {
          case .linear: (sum, 1)
          case .relu: (max(0, sum), sum > 0 ? 1 : 0)
          case .sigmoid: (1 / (1 + exp(-sum)), exp(-sum) / ((1 + exp(-sum)) * (1 + exp(-sum))))
          default: (.nan, .nan)
          }
        output[n * units + u] = value
        let g = Double(gradient[n * units + u]) * slope
        biasGradient[u] += g
        for i in 0..<inputs {
          inputGradient[n * inputs + i] += g * Double(kernel[i * units + u])
          kernelGradient[i * units + u] += g * Double(input[n * inputs + i])
        }
      }
    }
    #expect(relativeError(probe.forward(input: input, kernel: kernel, bias: bias), output) < 1e-6)
    let got = probe.backward(input: input, kernel: kernel, bias: bias, outputGradient: gradient)
    #expect(relativeError(got.inputGradient, inputGradient) < 2e-6)
    #expect(relativeError(got.kernelGradient, kernelGradient) < 2e-6)
    #expect(relativeError(got.biasGradient, biasGradient) < 2e-6)
  }

  @Test(arguments: 1...5, KernelSet.available)
  func poolingAloneOfEverySize(_ size: Int, _ kernels: KernelSet) throws {
    let shape = Shape(height: 11, width: 12, channels: 5)
    let probe = try LayerProbe(
      layer: .maxPooling(size: size), input: shape, batch: 2, threads: 2, kernels: kernels)
    let input = noise(2 * shape.count, 1)
    let output = probe.forward(input: input, kernel: [], bias: [])
    let (height, width) = (11 / size, 12 / size)
    #expect(output.count == 2 * height * width * 5)
    func index(_ n: Int, _ y: Int, _ x: Int, _ c: Int) -> Int { ((n * 11 + y) * 12 + x) * 5 + c }
    var expected: [Float] = []
    for n in 0..<2 {
      for y in 0..<height {
        for x in 0..<width {
          for c in 0..<5 {
            let window = (0..<size * size).map {
              input[index(n, y * size + $0 / size, x * size + $0 % size, c)]
            }
            expected.append(window.max() ?? 0)
          }
        }
      }
    }
    #expect(output == expected)
    let gradient = probe.backward(
      input: input, kernel: [], bias: [], outputGradient: output.indices.map { Float($0 + 1) }
    ).inputGradient
    #expect(gradient.filter { $0 != 0 }.sorted() == output.indices.map { Float($0 + 1) })
    #expect(zip(input, gradient).allSatisfy { $1 == 0 || output.contains($0) })
  }

  /// Each layer passes the middle of its kernel on, times one number: by sums that is one product,
  /// rounded once; by Winograd's it is rounded more.
  @Test(arguments: [40, 41]) func `A long chain is computed by sums`(_ length: Int) throws {
    let kernel = Convolution(filters: 16, padding: .same, activation: .linear)
    let model = try Architecture(
      input: Shape(height: 9, width: 9, channels: 3),
      layers: (0..<length).map { _ in (nil, .convolution(kernel)) } + [
        (nil, .flatten), (nil, .dense(units: 1, activation: .sigmoid)),
      ])
    let weights = ParameterBuffer(model.parameters)
    for tensor in model.parameters.tensors where tensor.kind == .kernel {
      for channel in 0..<16 where tensor.shape.count == 4 {
        let place = 4 * tensor.shape[2] * 16 + (tensor.shape[2] == 3 ? 0 : channel * 16) + channel
        weights.floats[tensor.offset + place] = 1.01
      }
    }
    let dense = try #require(model.parameters.tensors.first { $0.shape == [9 * 9 * 16, 1] })
    weights.floats[dense.offset] = 1
    var expected = Float(77) * (1 / 255)
    for _ in 0..<length { expected *= 1.01 }
    let sigmoid = model.loss.probabilities(logits: [expected])
    let pixels = [UInt8](repeating: 77, count: model.input.count)
    let engine = try Engine(model, batchCapacity: 1, kernels: try .chosen())
    let result = try pixels.withUnsafeBufferPointer { bytes in
      engine.predict(pictures: [try #require(bytes.baseAddress)], weights: weights)
    }
    #expect((result == [sigmoid]) == (length > 40))
  }

  @Test func poolingAlone() throws {
    let shape = Shape(height: 7, width: 5, channels: 3)
    let probe = try LayerProbe(
      layer: .maxPooling(size: 2), input: shape, batch: 2, kernels: .baseline)
    let input = noise(2 * shape.count, 1)
    let output = probe.forward(input: input, kernel: [], bias: [])
    #expect(output.count == 2 * 3 * 2 * 3)
    let first = [0, 1, 5, 6].map { input[$0 * 3] }
    #expect(output[0] == first.max())
    let gradient = probe.backward(
      input: input, kernel: [], bias: [], outputGradient: output.map { _ in 1 }
    ).inputGradient
    #expect(gradient.reduce(0, +) == 36)
    #expect(zip(input, gradient).allSatisfy { $1 == 0 || output.contains($0) })
  }
}
