import Engine
import Foundation
import KerasFiles
import Pictures
import Primitives
import Testing

/// What Keras computed from a model and pictures of ours: `keras_reference.py`, run once.
struct KerasReference {
  /// A folder with model.h5, pictures.h5, reference.h5, keras3.h5 and perhaps keras2.h5.
  let folder: String
  let model: ModelFile
  let pictures: [DecodedPicture]
  let labels: [Int]
  var batch: Batch { Batch(pictures: pictures.map(\.bytes), labels: labels, owners: pictures) }

  /// Runs Keras in a new folder.
  static func make() throws -> KerasReference {
    let folder = NSTemporaryDirectory() + "dogsled-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    let model = try somewhatTrained()
    let pictures = try pictures(8, model.architecture.input)
    let labels = pictures.indices.map { $0 % 2 }
    let reference = KerasReference(
      folder: folder, model: model, pictures: pictures, labels: labels)
    do {
      try model.write(to: folder + "/model.h5")
      try reference.writePictures()
      try Python.run(
        Python.withKeras, [Python.script("keras_reference.py"), folder], in: folder)
      return reference
    } catch {
      reference.remove()
      throw error
    }
  }

  func remove() { try? FileManager.default.removeItem(atPath: folder) }

  /// The tensor `name` of reference.h5.
  func tensor(_ name: String) throws -> [Float] {
    try HDF5.read(folder + "/reference.h5") { try $0.floats(name) }
  }

  /// Glorot kernels, small biases that are not zero, and second moments as after some updates.
  private static func somewhatTrained() throws -> ModelFile {
    let architecture = try Architecture.book()
    var state = ModelState(architecture.parameters, optimizer: RMSprop())
    state.initialize(seed: 11)
    state.updates = 77
    let (weights, moments) = (state.weights, state.slots[0])
    let draws = CounterRandom(seed: 12, purpose: .initialWeights)
    for tensor in architecture.parameters.tensors {
      for i in 0..<tensor.count {
        let draw = UInt64(tensor.offset + i)
        moments[tensor][i] = draws.float(draw) * 1e-3
        if tensor.kind == .bias { weights[tensor][i] = draws.symmetricFloat(draw) * 0.05 }
      }
    }
    return ModelFile(architecture: architecture, state: state, classes: ["cats", "dogs"])
  }

  /// Photographs, cats and dogs by turns; without them, waves of colour.
  private static func pictures(_ count: Int, _ shape: Shape) throws -> [DecodedPicture] {
    guard let photographs = Python.photographs else {
      return try (0..<count).map { try waves($0, shape) }
    }
    let entries = try PictureFolder.scan(photographs, classes: 2).entries
    let decoder = PictureDecoder(PictureSettings(), for: shape)
    let (cats, dogs) = (entries.filter { $0.label == 0 }, entries.filter { $0.label == 1 })
    return try (0..<count).map { index in
      let entry = (index % 2 == 0 ? cats : dogs)[index / 2]
      return try decoder.decode(path: "\(photographs)/\(entry.path)")
    }
  }

  private static func waves(_ index: Int, _ shape: Shape) throws -> DecodedPicture {
    try DecodedPicture(height: shape.height, width: shape.width) { bytes in
      let noise = CounterRandom(seed: 5, purpose: .samplePicture, UInt64(index))
      for i in bytes.indices {
        let (x, y) = (Double(i / 3 % shape.width), Double(i / 3 / shape.width))
        let wave = sin(x / Double(5 + index) + Double(i % 3)) * cos(y / Double(9 - index))
        bytes[i] = UInt8(128 + 100 * wave + 20 * noise.double(UInt64(i)))
      }
    }
  }

  private func writePictures() throws {
    let path = folder + "/pictures.h5"
    let image = try HDF5.image(for: path) { root in
      let bytes = pictures.flatMap { UnsafeBufferPointer(start: $0.bytes, count: $0.count) }
      let shape = [pictures.count, pictures[0].height, pictures[0].width, 3]
      try bytes.withUnsafeBufferPointer { try root.write("pictures", shape: shape, $0) }
      try labels.map(Float.init).withUnsafeBufferPointer {
        try root.write("labels", shape: [labels.count], $0)
      }
    }
    try image.write(to: URL(fileURLWithPath: path))
  }
}

/// Runs Keras before a suite and gives its tests what it computed.
struct KerasTrait: SuiteTrait, TestScoping {
  @TaskLocal static var reference: KerasReference?

  func provideScope(
    for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
  ) async throws {
    let reference = try KerasReference.make()
    defer { reference.remove() }
    try await Self.$reference.withValue(reference) { try await function() }
  }
}

/// The norm of the difference over the norm of `expected`.
func relativeError(_ values: some Sequence<Float>, _ expected: some Sequence<Float>) -> Double {
  var (difference, norm, count) = (0.0, 0.0, 0)
  for (a, b) in zip(values, expected) {
    difference += (Double(a) - Double(b)) * (Double(a) - Double(b))
    norm += Double(b) * Double(b)
    count += 1
  }
  // Nothing, or zeros alone, would prove nothing.
  return count == 0 || norm == 0 ? .infinity : (difference / norm).squareRoot()
}
