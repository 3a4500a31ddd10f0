import Engine
import Foundation
import KerasFiles
import Primitives
import Testing

/// A network of seven classes beside Keras, which opens the file that Dogsled wrote of it.
@Suite(.enabled(if: Python.withKeras != nil, "DOGSLED_PYTHON names no python with TensorFlow"))
struct ClassesParityTests {
  private static let classes = 7
  private static let count = 23

  /// Glorot kernels, larger in the last layer so that probabilities differ, and biases.
  private static func model() throws -> ModelFile {
    let architecture = try Architecture(
      input: Shape(height: 14, width: 12, channels: 3),
      layers: [
        (nil, .convolution(Convolution(filters: 6))), (nil, .maxPooling(size: 2)), (nil, .flatten),
        (nil, .dense(units: 40, activation: .relu)),
        (nil, .dense(units: classes, activation: .softmax)),
      ])
    var state = ModelState(architecture.parameters, optimizer: RMSprop())
    state.initialize(seed: 5)
    let draws = CounterRandom(seed: 6, purpose: .initialWeights)
    for tensor in architecture.parameters.tensors {
      for i in 0..<tensor.count {
        let draw = draws.symmetricFloat(UInt64(tensor.offset + i))
        if tensor.kind == .bias { state.weights[tensor][i] = draw * 0.5 }
        if tensor.layer == "dense_1" { state.weights[tensor][i] *= 4 }
      }
    }
    return ModelFile(
      architecture: architecture, state: state, classes: (0..<classes).map { "class \($0)" })
  }

  @Test func `Predictions, losses and gradients of seven classes are Keras's`() throws {
    let folder = NSTemporaryDirectory() + "dogsled-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let model = try Self.model()
    try model.write(to: folder + "/model.h5")
    let input = model.architecture.input
    let noise = CounterRandom(seed: 8, purpose: .samplePicture)
    let bytes = (0..<Self.count * input.count).map { UInt8(noise.bits(UInt64($0)) & 0xFF) }
    let labels = (0..<Self.count).map { $0 % Self.classes }
    let image = try HDF5.image(for: folder + "/pictures.h5") { root in
      try bytes.withUnsafeBufferPointer {
        try root.write("pictures", shape: [Self.count, input.height, input.width, 3], $0)
      }
      try labels.map(Float.init).withUnsafeBufferPointer {
        try root.write("labels", shape: [Self.count], $0)
      }
    }
    try image.write(to: URL(fileURLWithPath: folder + "/pictures.h5"))
    try Python.run(Python.withKeras, [Python.script("keras_classes.py"), folder], in: folder)
    func tensor(_ name: String) throws -> [Float] {
      try HDF5.read(folder + "/reference.h5") { try $0.floats(name) }
    }

    for kernels in KernelSet.available {
      let engine = try Engine(
        model.architecture, batchCapacity: Self.count, threads: 2, kernels: kernels)
      let step = ParameterBuffer(engine.gradientLayout.buffer)
      let (totals, judged) = bytes.withUnsafeBufferPointer { bytes in
        let pictures = labels.indices.compactMap { index in
          bytes.baseAddress.map { $0 + index * input.count }
        }
        let batch = Batch(pictures: pictures, labels: labels)
        return (
          engine.gradient(batch, weights: model.state.weights, into: step),
          engine.judge(batch, weights: model.state.weights)
        )
      }
      let expected = try tensor("predictions")
      let own = judged.judgements.flatMap { $0.probabilities.map(Float.init) }
      #expect(own.count == expected.count && Set(expected.map { $0.rounded() }).count == 2)
      for (a, b) in zip(own, expected) { #expect(abs(a - b) < 1e-5) }

      #expect(totals == judged.totals)
      let (loss, accuracy) = (
        totals.loss / Double(totals.count), Double(totals.correct) / Double(totals.count)
      )
      let evaluation = try tensor("evaluation").map(Double.init)
      #expect(abs(loss / evaluation[0] - 1) < 1e-6, "\(loss), \(evaluation[0])")
      #expect(abs(accuracy - evaluation[1]) < 1e-6)
      let among = zip(judged.judgements, labels).count { $0.isAmongFive($1) }
      #expect(Float(among) == (try tensor("top5")[0]))
      #expect(among > totals.correct && among < Self.count)

      let gradient = ParameterBuffer(model.state.weights.layout)
      try Updater(engine.gradientLayout, kernels: kernels).sum(
        [StepGradient(step, pictures: totals.count)], into: gradient)
      for (index, part) in gradient.layout.tensors.enumerated() {
        let error = relativeError(gradient[part], try tensor("gradients/\(index)"))
        #expect(error < 1e-4, "\(part.layer) \(part.kind), \(kernels)")
      }
    }
    for name in ["keras", "sparse"] {
      let read = try ModelFile(reading: "\(folder)/\(name).h5")
      #expect(read.untaken == [], "\(name)")
      #expect(read.architecture == model.architecture)
      #expect(read.state.digest == model.state.digest)
    }
  }
}
