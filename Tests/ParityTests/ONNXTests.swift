import Engine
import Foundation
import KerasFiles
import Testing

/// Exported models beside Keras's: `keras_graphs.py` writes a network of every layer, and
/// onnxruntime computes what Dogsled makes of it.
@Suite(
  .enabled(if: Python.withKeras != nil, "DOGSLED_PYTHON names no python with TensorFlow"),
  .enabled(if: Python.withONNX != nil, "no python with onnx and onnxruntime"), .serialized)
struct ONNXTests {
  @Test("onnxruntime's probabilities are within 1e-5 of Keras's, for every layer")
  func sameNumbers() throws {
    let folder = NSTemporaryDirectory() + "dogsled-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try Python.run(Python.withKeras, [Python.script("keras_graphs.py"), folder], in: folder)
    let list = try String(contentsOfFile: folder + "/models.txt", encoding: .utf8)
    let names = list.split(separator: "\n").map(String.init)
    #expect(names.count >= 30)
    for name in names {
      let model = try ModelFile(reading: "\(folder)/\(name).h5")
      for form in [ExportForm.onnx, .safetensors] {
        try model.export(to: "\(folder)/\(name)\(form.ending)", as: form)
      }
      let pictures = try HDF5.read("\(folder)/\(name)_reference.h5") {
        try $0.floats("pictures").map { $0 / 255 }
      }
      try Data(buffer: pictures.withUnsafeBufferPointer { $0 })
        .write(to: URL(fileURLWithPath: "\(folder)/\(name).pictures"))
    }
    try list.write(toFile: folder + "/exported.txt", atomically: true, encoding: .utf8)
    try Python.run(Python.withONNX, [Python.script("onnx_witness.py"), folder], in: folder)
    for name in names {
      let bytes = try Data(contentsOf: URL(fileURLWithPath: "\(folder)/\(name).probabilities"))
      let own = bytes.withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
      let expected = try HDF5.read("\(folder)/\(name)_reference.h5") {
        try $0.floats("predictions")
      }
      #expect(own.count == expected.count && Set(own).count > 1, "\(name)")
      for (a, b) in zip(own, expected) { #expect(abs(a - b) < 1e-5, "\(name): \(a), \(b)") }
      try checkTensors(of: name, in: folder)
    }
  }

  /// What the package safetensors reads, where it is there.
  private func checkTensors(of name: String, in folder: String) throws {
    guard let text = try? String(contentsOfFile: "\(folder)/\(name).tensors", encoding: .utf8)
    else { return }
    let model = try ModelFile(reading: "\(folder)/\(name).h5")
    let lines = Dictionary(
      uniqueKeysWithValues: text.split(separator: "\n").compactMap { line -> (String, String)? in
        let parts = line.split(separator: " ", maxSplits: 1).map(String.init)
        return parts.count == 2 ? (parts[0], parts[1]) : nil
      })
    #expect(lines.count == model.state.layout.tensors.count, "\(name)")
    for tensor in model.state.layout.tensors {
      let line = try #require(lines["\(tensor.layer).\(tensor.kind.rawValue)"], "\(name)")
      #expect(line.hasPrefix("\(tensor.shape) "), "\(name): \(line)")
      let sum = model.state.weights[tensor].reduce(0) { $0 + Double($1) }
      let read = Double(line.split(separator: " ").last ?? "") ?? .nan
      #expect(abs(read - sum) <= 1e-5 * max(1, abs(sum)), "\(name) \(tensor.layer)")
    }
  }
}
