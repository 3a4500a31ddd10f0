import Engine
import Foundation
import KerasFiles
import TestSupport
import Testing

/// `.keras` files, files of weights alone, and what is wrong with them.
@Suite("Archives of Keras 3, and weights alone")
struct KerasArchiveTests {
  let folder: TemporaryFolder
  let model: ModelFile

  init() throws {
    folder = try TemporaryFolder()
    let architecture = try Self.architecture(filters: 4)
    var state = ModelState(architecture.parameters, optimizer: Adam())
    state.initialize(seed: 3)
    for (index, slot) in state.slots.enumerated() { slot.initialize(seed: UInt64(4 + index)) }
    state.updates = 77
    model = ModelFile(
      architecture: architecture, state: state, optimizer: Adam(learningRate: 3e-4),
      labelSmoothing: 0.25, classes: ["cats", "dögs"])
  }

  /// Two branches of convolutions, whose groups are counted.
  static func architecture(filters: Int, normalizes: Bool = true) throws -> Architecture {
    var nodes: [Architecture.Node] = []
    func add(_ name: String, _ layer: any Layer, _ inputs: Value...) -> Value {
      nodes.append(Architecture.Node(name: name, layer: layer, inputs: inputs))
      return .node(nodes.count - 1)
    }
    let a = add("a", .convolution(Convolution(filters: filters)), .picture)
    var b = add("b", .convolution(Convolution(filters: filters)), .picture)
    if normalizes { b = add("norm", BatchNormalization(), b) }
    let sum = add("sum", Merging(.add), a, b)
    let flat = add("flat", .flatten, sum)
    _ = add("out", .dense(units: 1, activation: .sigmoid), flat)
    return try Architecture(input: Shape(height: 8, width: 7, channels: 3), nodes: nodes)
  }

  private func expectEqual(_ read: ModelFile, slots: Bool = true) {
    #expect(read.architecture == model.architecture)
    #expect(read.state.digest == model.state.digest)
    guard slots else { return }
    #expect(read.optimizer as? Adam == Adam(learningRate: 3e-4))
    #expect(read.state.updates == 77)
    for tensor in model.state.layout.trained {
      let slots = [read.state.slots, model.state.slots].map { $0.map { Array($0[tensor]) } }
      #expect(slots[0] == slots[1] && slots[0].count == 2)
    }
    #expect(read.labelSmoothing == 0.25)
    #expect(read.classes == ["cats", "dögs"])
  }

  /// What is said of a file that must be refused.
  private func refusal(_ path: String, weights: String? = nil) -> String {
    let error = #expect(throws: ModelFileError.self) {
      try ModelFile(reading: path, weights: weights)
    }
    let text = error?.description ?? ""
    #expect(!text.contains("\n"), "\(text)")
    return text
  }

  @Test("a .keras file comes back with all that it has")
  func archive() throws {
    try model.export(to: folder.file("model.keras"), as: .keras)
    expectEqual(try ModelFile(reading: folder.file("model.keras")))
    // By its bytes, whatever it is called.
    _ = try folder.write(folder.contents("model.keras"), to: "model.h5")
    expectEqual(try ModelFile(reading: folder.file("model.h5")))
  }

  @Test("weights alone come back into the layers of JSON, from every form")
  func weightsAlone() throws {
    let json = Data(KerasConfiguration.encode(model.architecture).utf8)
    let path = try folder.write(json, to: "layers.json")
    for form in [ExportForm.weights, .h5, .keras] {
      let weights = folder.file("model" + form.ending)
      #expect(ExportForm(path: weights) == form)
      try model.export(to: weights, as: form)
      expectEqual(try ModelFile(reading: path, weights: weights), slots: false)
      // Instead of those that a model has.
      var other = model
      other.state = model.state.copy()
      other.state.initialize(seed: 9)
      try other.write(to: folder.file("other.h5"))
      let read = try ModelFile(reading: folder.file("other.h5"), weights: weights)
      expectEqual(read, slots: false)
      #expect(read.state.slots.isEmpty && read.classes == ["cats", "dögs"])
    }
    #expect(refusal(path).contains("a model without weights"))
    #expect(refusal(path, weights: path).contains("JSON has no weights"))
    #expect(refusal(folder.file("model.weights.h5")).contains("--model JSON --weights FILE"))
  }

  @Test("weights of another model are refused with the layer's name", arguments: [true, false])
  func otherWeights(_ isLegacy: Bool) throws {
    let form = isLegacy ? ExportForm.h5 : .weights
    func path(_ architecture: Architecture, _ name: String) throws -> String {
      let json = Data(KerasConfiguration.encode(architecture).utf8)
      return try folder.write(json, to: name)
    }
    let weights = folder.file("model" + form.ending)
    try model.export(to: weights, as: form)
    let wide = try path(Self.architecture(filters: 5), "wide.json")
    let text = refusal(wide, weights: weights)
    #expect(text.contains("has the shape [3, 3, 3, 4], not [3, 3, 3, 5]"), "\(text)")
    #expect(text.contains("that of the model's b kernel"), "\(text)")
    let plain = try path(Self.architecture(filters: 4, normalizes: false), "plain.json")
    let more = refusal(plain, weights: weights)
    #expect(
      more.contains(
        isLegacy
          ? "has 4 weights of norm, where the model's layer out has 2: kernel [120, 1], bias"
          : "has weights of batch_normalization, which the model has not"), "\(more)")
    let own = try path(model.architecture, "own.json")
    let less = folder.file("plain" + form.ending)
    let state = ModelState(
      weights: ParameterBuffer(
        try Self.architecture(filters: 4, normalizes: false).parameters))
    try ModelFile(
      architecture: try Self.architecture(filters: 4, normalizes: false), state: state
    ).export(to: less, as: form)
    let missing = refusal(own, weights: less)
    #expect(
      missing.contains(
        isLegacy
          ? "has 2 weights of out, where the model's layer norm has 4"
          : "has no weights for the model's layer norm, which would be in batch_normalization/vars"
      ), "\(missing)")
  }

  @Test("a .keras file cut short anywhere, or with any byte changed, gives one line or the model")
  func damaged() throws {
    try model.export(to: folder.file("model.keras"), as: .keras)
    let whole = try folder.contents("model.keras")
    for length in stride(from: 0, to: whole.count, by: 101) {
      let path = try folder.write(whole.prefix(length), to: "cut.keras")
      #expect(refusal(path).hasPrefix(path))
    }
    var kept = 0
    for place in stride(from: 0, to: whole.count, by: 17) {
      for change: UInt8 in [1, 0x80, 0xFF] {
        var changed = whole
        changed[place] ^= change
        let path = try folder.write(changed, to: "changed.keras")
        do {
          // What says nothing of what is in it: a date, or who may read it.
          expectEqual(try ModelFile(reading: path))
          kept += 1
        } catch {
          #expect(error is ModelFileError && !"\(error)".contains("\n"), "\(error)")
        }
      }
    }
    #expect(kept < 60)
  }

  @Test("zip files that hold no model, or claim what they have not")
  func hostile() throws {
    try model.export(to: folder.file("model.keras"), as: .keras)
    let whole = [UInt8](try folder.contents("model.keras"))
    func refused(_ says: String, _ change: (inout [UInt8]) throws -> Void) throws {
      var bytes = whole
      try change(&bytes)
      let text = refusal(try folder.write(Data(bytes), to: "hostile.keras"))
      #expect(text.contains(says), "\(text)")
    }
    func places(_ mark: [UInt8]) -> [Int] {
      whole.indices.dropLast(mark.count).filter { whole[$0..<$0 + mark.count].elementsEqual(mark) }
    }
    let list = places(Array("PK\u{1}\u{2}".utf8))
    let end = try #require(places(Array("PK\u{5}\u{6}".utf8)).last)
    #expect(list.count == 3)
    // Metadata, configuration, weights: the second is read first.
    try refused("has no config.json") { $0[list[1] + 46] = UInt8(ascii: "x") }
    try refused("two members of the same name") {
      $0.replaceSubrange(list[0] + 46..<list[0] + 59, with: Array("config.json  ".utf8))
      $0.replaceSubrange(list[1] + 46..<list[1] + 57, with: Array("config.json".utf8))
      $0.replaceSubrange(
        list[0] + 28..<list[0] + 30, with: [11, 0])
      $0.replaceSubrange(list[0] + 32..<list[0] + 34, with: [2, 0])
    }
    try refused("which is encrypted") { $0[list[1] + 8] |= 1 }
    try refused("compressed by method 12") { $0[list[1] + 10] = 12 }
    try refused("has another checksum") { $0[list[1] + 16] ^= 1 }
    try refused("more than 4 GiB") { for index in 20..<24 { $0[list[2] + index] = 0xFF } }
    try refused("reaches past its end") { for index in [21, 25] { $0[list[2] + index] = 0xF0 } }
    try refused("is not where it should be") { $0[list[1] + 44] = 0xF0 }
    try refused("in several parts") { $0[end + 4] = 1 }
    try refused("its list of members is damaged") {
      $0[end + 8] = 4; $0[end + 10] = 4
    }
    try refused("more members than it says") {
      $0[end + 8] = 2; $0[end + 10] = 2
    }
    try refused("its list of members is not where it should be") { $0[end + 16] ^= 1 }
    try refused("more than 4 GiB or 65,535") { for index in 8..<12 { $0[end + index] = 0xFF } }
    // A bomb: few bytes that say they are many.
    try refused("cannot be inflated") { $0[list[1] + 10] = 8 }
    try refused("bytes that claim to be") {
      $0[list[2] + 10] = 8
      $0[list[2] + 27] = 0x7F
    }
    try refused("no model has so many there") {
      $0[list[1] + 10] = 8
      $0[list[1] + 27] = 0x7F
    }
  }

  @Test("a member that is deflated")
  func deflated() throws {
    try model.export(to: folder.file("model.keras"), as: .keras)
    let text = Array(KerasConfiguration.encode(model.architecture).utf8)
    var archive = ZipWriter(capacity: 0)
    // One block of RFC 1951 that is stored as it is.
    let count = UInt16(text.count)
    let block = [1, UInt8(count & 255), UInt8(count >> 8), UInt8(~count & 255), UInt8(~count >> 8)]
    let isText = archive.append(Data(block + text), as: "config.json")
    let isHeld = archive.append(try weightsMember(), as: "model.weights.h5")
    #expect(isText && isHeld)
    let finished = archive.finished()
    var bytes = try #require(finished)
    let list = try #require(bytes.firstRange(of: Data("PK\u{1}\u{2}".utf8))).lowerBound
    bytes[list + 10] = 8
    var sum = ZipChecksum()
    sum.update(text)
    for index in 0..<4 {
      bytes[list + 16 + index] = UInt8(truncatingIfNeeded: sum.value >> (8 * index))
      bytes[list + 24 + index] = UInt8(truncatingIfNeeded: text.count >> (8 * index))
    }
    let read = try ModelFile(reading: try folder.write(bytes, to: "deflated.keras"))
    expectEqual(read, slots: false)
  }

  private func weightsMember() throws -> Data {
    let whole = try folder.contents("model.keras")
    let start = try #require(whole.firstRange(of: Data([0x89, 0x48, 0x44, 0x46]))).lowerBound
    let end = try #require(whole.firstRange(of: Data("PK\u{1}\u{2}".utf8))).lowerBound
    return whole[start..<end]
  }

  @Test("safetensors say where each tensor is")
  func safetensors() throws {
    let path = folder.file("model.safetensors")
    try model.export(to: path, as: .safetensors)
    let bytes = try folder.contents("model.safetensors")
    let length = (0..<8).reduce(0) { $0 | Int(bytes[$1]) << (8 * $1) }
    #expect(length % 8 == 0)
    let head = try JSON(parsing: String(decoding: bytes[8..<8 + length], as: UTF8.self), as: "head")
    for tensor in model.state.layout.tensors {
      let entry = try #require(head["\(tensor.layer).\(tensor.kind.rawValue)"])
      #expect(entry["dtype"] == "F32")
      #expect(entry["shape"] == .array(tensor.shape.map(JSON.integer)))
      let offsets = (entry["data_offsets"]?.array ?? []).compactMap(\.integer)
      try #require(offsets.count == 2)
      let data = bytes[8 + length + offsets[0]..<8 + length + offsets[1]]
      #expect(data == Data(buffer: UnsafeBufferPointer(model.state.weights[tensor])))
    }
    #expect(head.object?.count == model.state.layout.tensors.count + 1)
    let configuration = try #require(head["__metadata__"]?["model_config"]?.string)
    #expect(try KerasConfiguration.decode(configuration) == model.architecture)
  }
}
