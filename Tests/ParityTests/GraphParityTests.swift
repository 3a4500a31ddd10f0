import Engine
import Foundation
import KerasFiles
import Primitives
import Testing

/// Networks of every layer beside Keras, which wrote them: `keras_graphs.py` has them all.
@Suite(
  .enabled(if: Python.withKeras != nil, "DOGSLED_PYTHON names no python with TensorFlow"),
  .serialized)
final class GraphParityTests {
  private let folder: String
  private let names: [String]

  init() throws {
    folder = NSTemporaryDirectory() + "dogsled-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    try Python.run(Python.withKeras, [Python.script("keras_graphs.py"), folder], in: folder)
    names = try String(contentsOfFile: folder + "/models.txt", encoding: .utf8)
      .split(separator: "\n").map(String.init)
  }

  deinit { try? FileManager.default.removeItem(atPath: folder) }

  /// A model and pictures with labels; the memory of the pictures is the caller's to keep.
  private struct Case {
    let model: ModelFile
    let bytes: [UInt8]
    let labels: [Int]
    let reference: String

    init(_ name: String, in folder: String, file: String = "") throws {
      model = try ModelFile(reading: "\(folder)/\(name)\(file).h5")
      reference = "\(folder)/\(name)_reference.h5"
      (bytes, labels) = try HDF5.read(reference) { root in
        (try root.floats("pictures").map { UInt8($0) }, try root.floats("labels").map { Int($0) })
      }
    }

    /// Calls `body` with the pictures as a batch.
    func withBatch<Result>(_ body: (Batch) throws -> Result) rethrows -> Result {
      let size = model.architecture.input.count
      return try bytes.withUnsafeBufferPointer { bytes in
        let pictures = labels.indices.compactMap { index in
          bytes.baseAddress.map { $0 + index * size }
        }
        return try body(Batch(pictures: pictures, labels: labels))
      }
    }

    func predictions(_ engine: Engine) -> [Float] {
      let all = withBatch { engine.predict(pictures: $0.pictures, weights: model.state.weights) }
      // Of two classes Keras has the second's probability alone.
      return all.flatMap { ($0.count == 2 ? [$0[1]] : $0).map(Float.init) }
    }
  }

  @Test("predictions within 1e-5 and all gradients within 1e-4 of Keras's, on each instruction set")
  func sameNumbers() throws {
    #expect(names.count >= 60)
    for name in names {
      let own = try Case(name, in: folder)
      #expect(own.model.untaken == [], "\(name)")
      let expected = try HDF5.read(own.reference) { try $0.floats("predictions") }
      #expect(Set(expected).count > 1, "\(name)")
      var digests: Set<Digest> = []
      for (index, kernels) in KernelSet.available.enumerated() {
        let engine = try Engine(
          own.model.architecture, batchCapacity: own.labels.count, threads: index + 1,
          kernels: kernels)
        let predictions = own.predictions(engine)
        #expect(predictions.count == expected.count, "\(name)")
        for (a, b) in zip(predictions, expected) {
          #expect(abs(a - b) < 1e-5, "\(name): \(a), \(b)")
        }
        let step = ParameterBuffer(engine.gradientLayout.buffer)
        _ = own.withBatch {
          engine.gradient(
            $0, weights: own.model.state.weights, step: TrainingStep(seed: 1, number: 3),
            into: step)
        }
        digests.insert(step.digest)
        #expect(try isLeftBehind(own, engine, step.digest) == false, "\(name)")
        #expect(throws: Never.self, "\(name)") {
          try check(StepGradient(step, pictures: own.labels.count), name, own, engine)
        }
      }
      #expect(digests.count == 1, "\(name)")
    }
  }

  /// Whether a step changes what the next one computes.
  private func isLeftBehind(_ own: Case, _ engine: Engine, _ digest: Digest) throws -> Bool {
    let step = ParameterBuffer(engine.gradientLayout.buffer)
    return own.withBatch { batch in
      var digests: [Digest] = []
      for pictures in [batch.pictures.reversed(), batch.pictures] {
        _ = engine.gradient(
          Batch(pictures: pictures, labels: batch.labels), weights: own.model.state.weights,
          step: TrainingStep(seed: 1, number: 3), into: step)
        digests.append(step.digest)
      }
      return digests[1] != digest || digests[0] == digest
    }
  }

  private func check(
    _ step: StepGradient, _ name: String, _ own: Case, _ engine: Engine
  ) throws {
    let updater = try Updater(engine.gradientLayout, kernels: engine.kernelSet)
    let gradient = ParameterBuffer(own.model.state.layout)
    updater.sum([step], into: gradient)
    for tensor in gradient.layout.tensors where !tensor.isFrozen {
      let expected = try HDF5.read(own.reference) {
        try $0.floats("gradients/\(tensor.layer)/\(tensor.kind.rawValue)")
      }
      let error = relativeError(Array(gradient[tensor]), expected)
      #expect(error < 1e-4, "\(name) \(tensor.layer) \(tensor.kind): \(error)")
    }
  }

  @Test("files and JSON are written and read again, by Keras too, to the same predictions")
  func sameFiles() throws {
    for name in names {
      let own = try Case(name, in: folder)
      let json = try KerasConfiguration.model(inFile: "\(folder)/\(name).json").architecture
      #expect(json == own.model.architecture, "\(name)")
      let written = KerasConfiguration.encode(json)
      #expect(try KerasConfiguration.decode(written) == json, "\(name)")
      try own.model.write(to: "\(folder)/\(name)_dogsled.h5")
      let again = try Case(name, in: folder, file: "_dogsled")
      #expect(again.model.state.digest == own.model.state.digest, "\(name)")
    }
    try Python.run(
      Python.withKeras, [Python.script("keras_graphs.py"), folder, "read"], in: folder)
    for name in names {
      let (expected, read) = (
        try HDF5.read("\(folder)/\(name)_reference.h5") { try $0.floats("predictions") },
        try HDF5.read("\(folder)/\(name)_read.h5") { try $0.floats("predictions") }
      )
      for (a, b) in zip(expected, read) { #expect(abs(a - b) < 1e-5, "\(name)") }
      #expect(read.count == expected.count, "\(name)")
    }
  }
}

/// The root mean square of the differences, relative to that of `expected`.
private func relativeError(_ values: [Float], _ expected: [Float]) -> Double {
  guard values.count == expected.count, !values.isEmpty else { return .infinity }
  let squares = zip(values, expected).reduce(0.0) { $0 + pow(Double($1.0) - Double($1.1), 2) }
  let size = expected.reduce(0.0) { $0 + pow(Double($1), 2) }
  // Of a gradient that is zero but for rounding there is no relative error.
  return size < 1e-12 * Double(values.count) ? squares.squareRoot() : (squares / size).squareRoot()
}
