import Engine
import Foundation
import Testing

/// Our engine beside Keras, on one batch of pictures and the weights of one `.h5` file.
@Suite(
  "Keras",
  .enabled(if: Python.withKeras != nil, "DOGSLED_PYTHON names no python with TensorFlow"),
  KerasTrait())
struct KerasTests {
  let keras: KerasReference

  init() throws { keras = try #require(KerasTrait.reference) }

  @Test("each layer alone, forward and backward, within 1e-4")
  func layers() throws {
    var input = keras.model.architecture.input
    let architecture = keras.model.architecture
    for ((name, layer), output) in zip(architecture.layers, architecture.outputs) {
      defer { input = output }
      if layer is Flatten { continue }
      try compare(layer, input: input, with: "layers/\(name)", output: "layers/\(name)")
    }
  }

  /// Winograd's transforms cost a digit: the weights' gradients differ by up to 1.1e-5.
  @Test("each layer alone on its real shape differs from doubles by at most 3e-5")
  func doubles() throws {
    var input = keras.model.architecture.input
    let architecture = keras.model.architecture
    for ((name, layer), output) in zip(architecture.layers, architecture.outputs) {
      defer { input = output }
      guard layer is Convolution || layer is Dense else { continue }
      try compare(
        layer, input: input, with: "layers/\(name)", output: "layers/\(name)/doubles",
        gradients: "layers/\(name)/doubles", outputGradient: "layers/\(name)/output_gradient",
        within: 3e-5)
    }
  }

  /// One argmax in a million may fall the other way where two inputs differ in the last bit.
  @Test("each convolution with the pooling after it, within 1e-2")
  func fusedLayers() throws {
    let architecture = keras.model.architecture
    var input = architecture.input
    for index in architecture.layers.indices {
      defer { input = architecture.outputs[index] }
      let (name, layer) = architecture.layers[index]
      guard layer is Convolution,
        let size = (architecture.layers[index + 1].layer as? Pooling)?.windows.kernel.height
      else { continue }
      let pooling = architecture.layers[index + 1].name
      try compare(
        layer, pooling: size, input: input, with: "layers/\(name)", output: "layers/\(pooling)",
        within: 1e-2)
    }
  }

  private func compare(
    _ layer: any Layer, pooling: Int = 1, input shape: Shape, with name: String, output: String,
    gradients: String? = nil, outputGradient: String? = nil, within tolerance: Double = 1e-4
  ) throws {
    let batch = keras.pictures.count
    let probe = try LayerProbe(
      layer: layer, pooling: pooling, input: shape, batch: batch, threads: 2,
      kernels: try .chosen())
    let trains = !(layer is Pooling)
    let input = try keras.tensor("\(name)/input")
    let kernel = trains ? try keras.tensor("\(name)/kernel") : []
    let bias = trains ? try keras.tensor("\(name)/bias") : []

    let forward = probe.forward(input: input, kernel: kernel, bias: bias)
    let expected = try keras.tensor("\(output)/output")
    #expect(forward.count == expected.count, "\(name)")
    #expect(relativeError(forward, expected) < tolerance, "\(name), forward")

    let backward = probe.backward(
      input: input, kernel: kernel, bias: bias,
      outputGradient: try keras.tensor(outputGradient ?? "\(output)/output_gradient"))
    var own = [("input", backward.inputGradient)]
    if trains {
      own += [("kernel", backward.kernelGradient), ("bias", backward.biasGradient)]
    }
    for (kind, gradient) in own {
      let expected = try keras.tensor("\(gradients ?? name)/\(kind)_gradient")
      #expect(gradient.count == expected.count, "\(name), \(kind)")
      #expect(relativeError(gradient, expected) < tolerance, "\(name), \(kind)")
    }
  }

  @Test("the whole network's gradient, within 1e-2 for each tensor")
  func network() throws {
    let engine = try engine()
    let (gradient, step) = (
      ParameterBuffer(keras.model.state.weights.layout),
      ParameterBuffer(engine.gradientLayout.buffer)
    )
    let totals = engine.gradient(keras.batch, weights: keras.model.state.weights, into: step)
    try Updater(engine.gradientLayout, kernels: try .chosen()).sum(
      [StepGradient(step, pictures: totals.count)], into: gradient)
    for (index, tensor) in gradient.layout.tensors.enumerated() {
      let error = relativeError(gradient[tensor], try keras.tensor("gradients/\(index)"))
      #expect(error < 1e-2, "\(tensor.layer) \(tensor.kind)")
    }
  }

  @Test("predictions within 1e-4, loss and accuracy to three digits")
  func predictions() throws {
    let bytes = keras.pictures.map(\.bytes)
    let predictions = try engine().predict(pictures: bytes, weights: keras.model.state.weights)
    let expected = try keras.tensor("predictions")
    #expect(predictions.count == expected.count)
    for (a, b) in zip(predictions, expected) { #expect(abs(a[1] - Double(b)) < 1e-4) }

    let totals = try engine().evaluate(keras.batch, weights: keras.model.state.weights)
    let evaluation = try keras.tensor("evaluation")
    #expect(abs(totals.loss / Double(totals.count) - Double(evaluation[0])) < 5e-4)
    #expect(abs(Double(totals.correct) / Double(totals.count) - Double(evaluation[1])) < 5e-4)
  }

  private func engine() throws -> Engine {
    try Engine(
      keras.model.architecture, batchCapacity: keras.pictures.count, threads: 2,
      kernels: try .chosen())
  }
}
