import Engine
import Foundation
import KerasFiles
import Testing

/// Every form of file that Keras 3 and tf_keras have, read and written: `keras_archives.py` makes
/// them.
@Suite(
  .enabled(if: Python.withKeras2 != nil, "DOGSLED_PYTHON names no python with Keras and tf_keras"),
  .serialized)
final class ArchiveParityTests {
  private let folder: String
  private let names: [String]

  init() throws {
    folder = NSTemporaryDirectory() + "dogsled-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    try Python.run(Python.withKeras2, [Python.script("keras_archives.py"), folder], in: folder)
    names = try String(contentsOfFile: folder + "/models.txt", encoding: .utf8)
      .split(separator: "\n").map(String.init)
  }

  deinit { try? FileManager.default.removeItem(atPath: folder) }

  private func predictions(_ model: ModelFile, _ inputs: [Float]) throws -> [Float] {
    let size = model.architecture.input.count
    let engine = try Engine(model.architecture, batchCapacity: 8, kernels: try KernelSet.chosen())
    let bytes = inputs.map { UInt8(($0 * 255).rounded()) }
    return bytes.withUnsafeBufferPointer { bytes in
      let pictures = (0..<inputs.count / size).compactMap { index in
        bytes.baseAddress.map { $0 + index * size }
      }
      let all = engine.predict(pictures: pictures, weights: model.state.weights)
      return all.flatMap { ($0.count == 2 ? [$0[1]] : $0).map(Float.init) }
    }
  }

  @Test("all forms are read to the same model, and Keras reads ours and goes on training")
  func allForms() throws {
    #expect(names.count == 11)
    for name in names {
      let path = "\(folder)/\(name)"
      let model = try ModelFile(reading: path + ".keras")
      let reference = try HDF5.read(path + "_reference.h5") { root in
        (
          inputs: try root.floats("inputs"), predictions: try root.floats("predictions"),
          isTrained: root.contains("optimizer")
        )
      }
      let own = try predictions(model, reference.inputs)
      #expect(own.count == reference.predictions.count && Set(own).count > 1, "\(name)")
      for (a, b) in zip(own, reference.predictions) { #expect(abs(a - b) < 1e-5, "\(name)") }
      // The other forms have the same weights.
      let digest = model.state.digest
      #expect(try ModelFile(reading: path + "_deflated.keras").state.digest == digest, "\(name)")
      for weights in [".weights.h5", "_legacy.h5", ".keras"] {
        let read = try ModelFile(reading: path + ".json", weights: path + weights)
        #expect(read.state.digest == digest, "\(name)\(weights)")
        #expect(read.architecture == model.architecture, "\(name)")
      }
      if reference.isTrained {
        #expect(model.state.updates == 4 && model.state.suits(model.optimizer), "\(name)")
        #expect(model.optimizer is Adam && model.state.slots.allSatisfy(\.isFinite), "\(name)")
      }
      try model.export(to: path + "_dogsled.keras", as: .keras)
      try model.export(to: path + "_dogsled.weights.h5", as: .weights)
      try model.export(to: path + "_dogsled.h5", as: .h5)
    }
    try Python.run(
      Python.withKeras2, [Python.script("keras_archives.py"), folder, "read"], in: folder)
    for name in names { try checkRead(name) }
  }

  /// What Keras says of our files.
  private func checkRead(_ name: String) throws {
    let (reference, read) = ("\(folder)/\(name)_reference.h5", "\(folder)/\(name)_read.h5")
    let expected = try HDF5.read(reference) { try $0.floats("predictions") }
    for form in ["keras", "h5", "weights"] {
      let predictions = try HDF5.read(read) { try $0.floats("predictions/\(form)") }
      #expect(predictions.count == expected.count, "\(name)")
      for (a, b) in zip(predictions, expected) { #expect(abs(a - b) < 1e-6, "\(name) \(form)") }
    }
    let isTrained = try HDF5.read(reference) { $0.contains("optimizer") }
    guard isTrained, !name.contains("tf_keras") else { return }
    let variables = try [reference, read].map { path in
      try HDF5.read(path) { root in
        try (0..<root.group("optimizer").names.count).map { try root.floats("optimizer/\($0)") }
      }
    }
    #expect(variables[0] == variables[1], "\(name)")
    #expect(variables[0].count > 6 && variables[0][0] == [4], "\(name)")
    let steps = try HDF5.read(read) { try [$0.floats("steps/0"), $0.floats("steps/1")] }
    for (a, b) in zip(steps[0], steps[1]) {
      #expect(abs(a - b) <= 1e-5 * max(1, abs(b)), "\(name)")
    }
  }
}
