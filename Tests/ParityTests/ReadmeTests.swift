import Engine
import Foundation
import KerasFiles
import Pictures
import Testing

/// README's lines of Python, run as they stand there.
@Suite(.enabled(if: Python.withKeras != nil, "DOGSLED_PYTHON names no python with TensorFlow"))
final class ReadmeTests {
  let folder = NSTemporaryDirectory() + "dogsled-" + UUID().uuidString
  let model: ModelFile

  /// A folder with the model and the checkpoint of a run in `runs/book`.
  init() throws {
    let architecture = try Architecture.book()
    var state = ModelState(architecture.parameters, optimizer: RMSprop())
    state.initialize(seed: 3)
    state.slots[0].initialize(seed: 4)
    state.updates = 77
    model = ModelFile(architecture: architecture, state: state, classes: ["cats", "dogs"])
    try FileManager.default.createDirectory(
      atPath: folder + "/runs/book", withIntermediateDirectories: true)
    for name in ["model", "checkpoint"] { try model.write(to: "\(folder)/runs/book/\(name).h5") }
  }

  deinit { try? FileManager.default.removeItem(atPath: folder) }

  /// The blocks of Python in README, in order.
  private static func blocks() throws -> [String] {
    let readme = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appendingPathComponent("../../README.md")
    let parts = try String(contentsOf: readme, encoding: .utf8)
      .components(separatedBy: "```python\n").dropFirst()
    return try parts.map { try #require($0.components(separatedBy: "```").first) }
  }

  /// Photographs where there are any, and pictures that we draw.
  private func pictures() throws -> [String] {
    let drawn = folder + "/drawn"
    _ = try BookLayout.sample(to: drawn, .init(train: 2, validation: 1, test: 0), seed: 1)
    let folders = [drawn + "/train", Python.photographs].compactMap { $0 }
    return try folders.flatMap { folder in
      try PictureFolder.scan(folder, classes: 2).entries.prefix(4).map { "\(folder)/\($0.path)" }
    }
  }

  @Test func `Five lines of Python predict as Dogsled does`() throws {
    let lines = try #require(try Self.blocks().first)
    #expect(lines.split(separator: "\n").count == 5)
    let engine = try Engine(model.architecture, batchCapacity: 1, kernels: try .chosen())
    let paths = try pictures()
    // The lines as often as there are pictures, each time from the start, by one Python.
    try lines.write(toFile: folder + "/lines.py", atomically: true, encoding: .utf8)
    let program = """
      import shutil, sys
      for path in sys.argv[1:]:
          shutil.copyfile(path, "a.jpg")
          exec(compile(open("lines.py").read(), "README.md", "exec"), {})
      """
    let said = try Python.run(Python.withKeras, ["-c", program] + paths, in: folder)
      .split(separator: "\n")
    try #require(said.count == paths.count)
    for (path, line) in zip(paths, said) {
      let picture = try PictureDecoder(PictureSettings(), height: 150, width: 150).decode(
        path: path)
      let expected = withExtendedLifetime(picture) {
        engine.predict(pictures: [picture.bytes], weights: model.state.weights)
      }
      #expect(abs(try #require(Double(line)) - expected[0][1]) < 1e-5, "\(path)")
    }
  }

  @Test func `RMSprop's second moments are set in Keras`() throws {
    let lines = try #require(try Self.blocks().last)
    let check = """

      import numpy
      with h5py.File("runs/book/checkpoint.h5") as file:
          group = file["optimizer_weights"]
          moments = [v for v in model.optimizer.variables if "velocity" in v.path]
          assert len(moments) == len(model.trainable_variables) == 12
          stored = [n for n in group.attrs["weight_names"] if b"velocity" in bytes(n)]
          for variable, name, weight in zip(moments, stored, model.trainable_variables):
              assert weight.path.replace("/", "_") in variable.path, (weight.path, variable.path)
              assert variable.shape == weight.shape
              numpy.testing.assert_array_equal(variable.numpy(), group[name][()])
      assert int(model.optimizer.iterations) == 77
      pictures = numpy.random.rand(2, 150, 150, 3)
      model.train_on_batch(pictures, numpy.array([[0.0], [1.0]]))
      assert int(model.optimizer.iterations) == 78
      """
    try Python.run(Python.withKeras, ["-c", lines + check], in: folder)
  }
}
