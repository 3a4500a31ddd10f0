import Engine
import Foundation
import KerasFiles
import Testing

/// What Keras writes into model files, and sigmoids that are not the last layer's.
extension KerasTests {
  private struct Written: Decodable {
    let arguments: [String: [String]]
    let model: String
  }

  /// What the installed Keras writes, and Keras 2 where it is installed.
  private func written() throws -> [(version: String, Written)] {
    try ["keras", "tf_keras"].compactMap { version in
      let path = "\(keras.folder)/\(version).json"
      guard version == "keras" || Python.withKeras2 != nil else { return nil }
      let json = try Data(contentsOf: URL(filePath: path))
      return (version, try JSONDecoder().decode(Written.self, from: json))
    }
  }

  @Test("every argument that Keras writes is in the reader's tables")
  func argumentsAreKnown() throws {
    let tables = KerasArgument.layers.merging([
      "model": KerasArgument.model, "Sequential": KerasArgument.sequential,
      "entry": KerasArgument.entry, "compiled": KerasArgument.compiled(Losses.all[0]),
    ]) { $1 }.merging(KerasArgument.optimizers) { $1 }
    for (version, written) in try written() {
      #expect(Set(written.arguments.keys) == Set(tables.keys))
      for (owner, arguments) in written.arguments {
        #expect(!arguments.isEmpty, "\(version) \(owner)")
        let unknown = Set(arguments).subtracting(try #require(tables[owner]).keys)
        #expect(unknown == [], "\(version) \(owner)")
      }
    }
  }

  @Test("a model with Keras's defaults is read from JSON and .h5, and may be trained")
  func defaultsAreTaken() throws {
    for (version, written) in try written() {
      let text = try KerasConfiguration.read(written.model)
      #expect(text.untaken == [], "\(version)")
      #expect(text.architecture.layers.count == 6)
      #expect(text.architecture.layers[4].layer == .dense(units: 8, activation: .sigmoid))
      #expect(text.architecture.layers[3].layer == .dropout(rate: 0.25))
      #expect(text.architecture.nodes.map(\.rule.decay) == [0, 0, 0, 0, 0.01, 0])
      let file = try KerasConfiguration.model(inFile: "\(keras.folder)/\(version).h5")
      #expect(file.untaken == [], "\(version)")
      #expect(file.architecture == text.architecture)
      #expect(file.optimizer?.learningRate == 3e-4)
    }
  }

  @Test("sigmoids inside a network: predictions and gradients within 1e-4")
  func sigmoids() throws {
    let model = try ModelFile(reading: keras.folder + "/sigmoid.h5")
    let input = model.architecture.input
    let bytes = try keras.tensor("sigmoid/pictures").map { UInt8($0) }
    let labels = try keras.tensor("sigmoid/labels").map { Int($0) }
    let expected = try keras.tensor("sigmoid/predictions")
    #expect(bytes.count == labels.count * input.count)
    for kernels in KernelSet.available {
      let engine = try Engine(
        model.architecture, batchCapacity: labels.count, threads: 2, kernels: kernels)
      let step = ParameterBuffer(engine.gradientLayout.buffer)
      let predictions = bytes.withUnsafeBufferPointer { bytes in
        let pictures = labels.indices.compactMap { index in
          bytes.baseAddress.map { $0 + index * input.count }
        }
        _ = engine.gradient(
          Batch(pictures: pictures, labels: labels), weights: model.state.weights, into: step)
        return engine.predict(pictures: pictures, weights: model.state.weights)
      }
      #expect(predictions.count == expected.count)
      for (a, b) in zip(predictions, expected) { #expect(abs(a[1] - Double(b)) < 1e-5) }
      let gradient = ParameterBuffer(model.state.weights.layout)
      try Updater(engine.gradientLayout, kernels: kernels).sum(
        [StepGradient(step, pictures: labels.count)], into: gradient)
      for (index, tensor) in gradient.layout.tensors.enumerated() {
        let error = relativeError(
          gradient[tensor], try keras.tensor("sigmoid/gradients/\(index)"))
        #expect(error < 1e-4, "\(tensor.layer) \(tensor.kind), \(kernels)")
      }
    }
  }
}
