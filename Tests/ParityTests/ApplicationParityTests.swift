import Engine
import Foundation
import KerasFiles
import Testing

/// Keras's own applications: the gradient of a step beside that of float64.
///
/// It is at most twice as far from it as Keras's own. `DOGSLED_APPLICATIONS=all` takes all six, in
/// some minutes; else it is one.
@Suite(
  .enabled(if: Python.withKeras != nil, "DOGSLED_PYTHON names no python with TensorFlow"),
  .serialized)
struct ApplicationParityTests {
  private static let names =
    ProcessInfo.processInfo.environment["DOGSLED_APPLICATIONS"] == nil
    ? ["MobileNetV2"]
    : ["MobileNetV2", "ResNet50", "VGG16", "DenseNet121", "EfficientNetB0", "Xception"]

  @Test(arguments: names) func `A step of an application`(_ name: String) throws {
    let folder = NSTemporaryDirectory() + "dogsled-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let script = Python.script("keras_applications.py")
    try Python.run(Python.withKeras, [script, folder, name], in: folder)
    let file = try ModelFile(reading: "\(folder)/\(name).h5")
    let (bytes, labels) = try HDF5.read("\(folder)/\(name)_pictures.h5") { root in
      (try root.floats("pictures").map { UInt8($0) }, try root.floats("labels").map { Int($0) })
    }
    let engine = try Engine(
      file.architecture, batchCapacity: labels.count, threads: 2, kernels: try KernelSet.chosen())
    let step = ParameterBuffer(engine.gradientLayout.buffer)
    let size = file.architecture.input.count
    bytes.withUnsafeBufferPointer { bytes in
      guard let first = bytes.baseAddress else { return }
      _ = engine.gradient(
        Batch(pictures: labels.indices.map { first + $0 * size }, labels: labels),
        weights: file.state.weights, step: TrainingStep(seed: 1, number: 0), into: step)
    }
    let updater = try Updater(engine.gradientLayout, kernels: engine.kernelSet)
    let gradient = ParameterBuffer(file.state.layout)
    updater.sum([StepGradient(step, pictures: labels.count)], into: gradient)
    try ModelFile(architecture: file.architecture, state: ModelState(weights: gradient))
      .write(to: "\(folder)/\(name)_gradient.h5")
    try Python.run(Python.withKeras, [script, folder, "read", name], in: folder)
    let line = try String(contentsOfFile: folder + "/errors.txt", encoding: .utf8)
    let errors = line.split(separator: " ").dropFirst().compactMap { Double(trimmed($0)) }
    try #require(errors.count == 2)
    print("\(name): error \(errors[0]), Keras's \(errors[1])")
    #expect(errors[0] <= 2 * errors[1], "\(line)")
  }

  private func trimmed(_ word: Substring) -> String {
    word.trimmingCharacters(in: .whitespacesAndNewlines)
  }
}
