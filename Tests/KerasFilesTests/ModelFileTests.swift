import Engine
import Foundation
import KerasFiles
import Pictures
import TestSupport
import Testing

@Suite("Model files")
struct ModelFileTests {
  let folder: TemporaryFolder
  let model: ModelFile

  init() throws {
    folder = try TemporaryFolder()
    let architecture = try Architecture(
      input: Shape(height: 12, width: 10, channels: 3),
      layers: [
        (nil, .convolution(Convolution(filters: 5))), (nil, .maxPooling(size: 2)), (nil, .flatten),
        (nil, .dense(units: 1, activation: .sigmoid)),
      ])
    var state = ModelState(architecture.parameters, optimizer: RMSprop())
    state.initialize(seed: 3)
    state.slots[0].initialize(seed: 4)
    state.updates = 77
    model = ModelFile(
      architecture: architecture, state: state,
      optimizer: RMSprop(learningRate: 3e-4, rho: 0.8, epsilon: 1e-6), classes: ["cats", "dögs"],
      pictures: PictureSettings(decoding: .fast, interpolation: .bilinear),
      position: RunPosition(
        epochs: 3, steps: 5, updates: 77, loss: .nan, correct: 9, count: 100))
  }

  @Test("everything comes back")
  func roundTrip() throws {
    try model.write(to: folder.file("model.h5"))
    let read = try ModelFile(reading: folder.file("model.h5"))
    #expect(read.architecture == model.architecture)
    #expect(read.state.digest == model.state.digest)
    #expect(read.state.slots.map(\.digest) == model.state.slots.map(\.digest))
    #expect(
      read.optimizer as? RMSprop == RMSprop(learningRate: 3e-4, rho: 0.8, epsilon: 1e-6))
    #expect(read.state.updates == 77)
    #expect(read.classes == ["cats", "dögs"])
    #expect(read.pictures?.description == "fast bilinear")
    #expect(read.position?.updates == 77)
    #expect(read.position?.loss.isNaN == true)
  }

  @Test("the names of any number of classes come back", arguments: [1, 7, 240, 3000])
  func manyClasses(_ count: Int) throws {
    var model = model
    // Of 250 bytes each: more than one attribute of HDF5 can hold.
    model.classes = (0..<count).map { "é\($0) " + String(repeating: "x", count: 246 - $0 % 40) }
    try model.write(to: folder.file("model.h5"))
    #expect(try ModelFile(reading: folder.file("model.h5")).classes == model.classes)
  }

  @Test("every optimizer's state comes back, in Keras's order")
  func slots() throws {
    let rules: [any Optimizer] = [
      RMSprop(momentum: 0.5, centered: true), SGD(), SGD(momentum: 0.9, nesterov: true),
      Adam(beta1: 0.8), AdamW(decay: 0.25),
    ]
    for rule in rules {
      var state = ModelState(model.architecture.parameters, optimizer: rule)
      state.initialize(seed: 3)
      for (index, slot) in state.slots.enumerated() { slot.initialize(seed: UInt64(index)) }
      state.updates = 12
      try ModelFile(architecture: model.architecture, state: state, optimizer: rule)
        .write(to: folder.file("model.h5"))
      let read = try ModelFile(reading: folder.file("model.h5"))
      #expect(read.optimizer.values.map(\.value) == rule.values.map(\.value))
      #expect(OptimizerName(type(of: read.optimizer)) == OptimizerName(type(of: rule)))
      #expect(read.state.kinds == rule.slots && read.state.updates == 12)
      #expect(read.state.slots.map(\.digest) == state.slots.map(\.digest))
    }
    let names = try HDF5.read(folder.file("model.h5")) {
      try $0.group("optimizer_weights").strings("weight_names")
    }
    #expect(
      names?.prefix(4) == [
        "adam_w/iteration", "adam_w/learning_rate", "adam_w/sequential_conv2d_kernel_momentum",
        "adam_w/sequential_conv2d_kernel_velocity",
      ])
  }

  @Test("what is not there stays nil")
  func bare() throws {
    let bare = ModelFile(
      architecture: model.architecture, state: ModelState(weights: model.state.weights))
    try bare.write(to: folder.file("model.h5"))
    let read = try ModelFile(reading: folder.file("model.h5"))
    #expect(read.state.slots.isEmpty)
    #expect(read.classes == nil)
    #expect(read.pictures == nil)
    #expect(read.position == nil)
    #expect(read.state.digest == model.state.digest)
  }

  @Test("a write replaces the file, and leaves nothing beside it")
  func replaces() throws {
    let path = try folder.write(Data("old".utf8), to: "model.h5")
    try model.write(to: path)
    _ = try ModelFile(reading: path)
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["model.h5"])
  }

  @Test("a write that fails leaves the old file and names the path")
  func failingWrite() throws {
    let error = #expect(throws: ModelFileError.self) {
      try model.write(to: folder.file("missing/model.h5"))
    }
    #expect(error?.description.contains("missing/model.h5") == true)
    #expect(error?.description.contains("No such file or directory") == true)
    let path = try folder.write(Data("old".utf8), to: "model.h5")
    try FileManager.default.createDirectory(
      atPath: path + ".partial", withIntermediateDirectories: false)
    #expect(throws: ModelFileError.self) { try model.write(to: path) }
    #expect(try folder.contents("model.h5") == Data("old".utf8))
  }

  @Test("a missing file, a folder, text and nothing at all")
  func notHDF5() throws {
    for (path, says) in [
      (folder.file("none.h5"), "No such file"),
      (folder.path, "not a file"),
      (try folder.write(Data("not a model".utf8), to: "text.h5"), "not a model file"),
      (try folder.write(Data(), to: "empty.h5"), "not a model file"),
    ] {
      let error = #expect(throws: ModelFileError.self) { try ModelFile(reading: path) }
      #expect(error?.description.contains(says) == true, "\(error?.description ?? "")")
      #expect(error?.description.hasPrefix(path) == true)
    }
  }

  @Test("a file cut short anywhere, or with any byte changed, is refused in one line")
  func damaged() throws {
    try model.write(to: folder.file("model.h5"))
    let whole = try folder.contents("model.h5")
    for length in stride(from: 0, to: whole.count, by: 97) {
      let path = try folder.write(whole.prefix(length), to: "cut.h5")
      let error = #expect(throws: ModelFileError.self) { try ModelFile(reading: path) }
      #expect(error?.description.contains("\n") == false)
    }
    for place in stride(from: 0, to: whole.count, by: 37) {
      var changed = whole
      changed[place] ^= 1
      let path = try folder.write(changed, to: "changed.h5")
      let error = #expect(throws: ModelFileError.self) { try ModelFile(reading: path) }
      #expect(error?.description.contains("\n") == false)
    }
  }

  @Test("a file of ours whose seal is damaged or cut off is nobody else's")
  func brokenSeal() throws {
    try model.write(to: folder.file("model.h5"))
    let whole = try folder.contents("model.h5")
    var broken = (1...40).map { whole.dropLast($0) }
    for place in whole.count - 40..<whole.count {
      broken.append(whole)
      broken[broken.count - 1][place] ^= 1
    }
    for bytes in broken {
      let path = try folder.write(bytes, to: "broken.h5")
      #expect(throws: ModelFileError.self) { try ModelFile(reading: path) }
    }
    // As h5py leaves a file that it opened for writing.
    var changed = whole.dropLast(40)
    changed.replaceSubrange(40..<48, with: (0..<8).map { UInt8(changed.count >> (8 * $0) & 255) })
    let path = try folder.write(changed, to: "changed.h5")
    let error = #expect(throws: ModelFileError.self) { try ModelFile(reading: path) }
    #expect(error?.description.contains("its seal is broken") == true)
  }

  @Test("a file that another program holds a lock on is read")
  func locked() throws {
    let path = folder.file("model.h5")
    try model.write(to: path)
    // A second description of the file stands for another process.
    let other = open(path, O_RDWR | O_CLOEXEC)
    defer { close(other) }
    #expect(flock(other, LOCK_EX | LOCK_NB) == 0)
    #expect(try ModelFile(reading: path).state.digest == model.state.digest)
    #expect(try ModelFile(reading: path, asCheckpoint: true).state.updates == 77)
  }

  @Test("a file too large for any model is refused at once, whatever its end says")
  func tooLarge() throws {
    let path = folder.file("model.h5")
    try model.write(to: path)
    let seal = try folder.contents("model.h5").suffix(40)
    let file = try FileHandle(forUpdating: URL(fileURLWithPath: path))
    try file.seek(toOffset: 5 << 30)
    try file.write(contentsOf: seal)
    try file.close()
    let error = #expect(throws: ModelFileError.self) { try ModelFile(reading: path) }
    #expect(error?.description.contains("no model that can be read is so large") == true)
  }

  @Test("HDF5 that is no model, and a model whose weights are others")
  func otherShape() throws {
    let path = folder.file("other.h5")
    let image = try HDF5.image(for: path) { root in
      try [Float](repeating: 1, count: 6).withUnsafeBufferPointer {
        try root.write("numbers", shape: [2, 3], $0)
      }
    }
    _ = try folder.write(image, to: "other.h5")
    var error = #expect(throws: ModelFileError.self) { try ModelFile(reading: path) }
    #expect(error?.description.contains("no Keras model") == true)
    let (shape, numbers) = try HDF5.read(path) { root in
      (try root.shape(of: "numbers"), try root.floats("numbers"))
    }
    #expect(shape == [2, 3])
    #expect(numbers == [Float](repeating: 1, count: 6))

    let other = try Architecture(
      input: Shape(height: 14, width: 10, channels: 3),
      layers: model.architecture.layers.map { ($0.name, $0.layer) })
    let mixed = ModelFile(architecture: other, state: ModelState(weights: model.state.weights))
    try mixed.write(to: path)
    error = #expect(throws: ModelFileError.self) { try ModelFile(reading: path) }
    #expect(error?.description.contains("has the shape [100, 1], not [120, 1]") == true)
  }

  @Test("a file that lists one layer over and over is refused before its names are collected")
  func listedOverAndOver() throws {
    let path = folder.file("names.h5")
    let image = try HDF5.image(for: path) { root in
      try root.write(attribute: "model_config", KerasConfiguration.encode(model.architecture))
      let weights = try root.makeGroup("model_weights")
      try weights.write(attribute: "layer_names", [String](repeating: "l", count: 60_000))
      let layer = try weights.makeGroup("l")
      try layer.write(attribute: "weight_names", [String](repeating: "w", count: 60_000))
      try layer.write("w", Float(1))
    }
    _ = try folder.write(image, to: "names.h5")
    let error = #expect(throws: ModelFileError.self) { try ModelFile(reading: path) }
    #expect(
      error?.description.contains("has 60000 weights of l, where the model's layer conv2d has 2")
        == true)
  }

  @Test("many threads at once")
  func threads() async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
      for index in 0..<8 {
        group.addTask { [model, path = folder.file("\(index).h5")] in
          for _ in 0..<5 {
            try model.write(to: path)
            #expect(try ModelFile(reading: path).state.digest == model.state.digest)
          }
        }
      }
      try await group.waitForAll()
    }
  }
}
