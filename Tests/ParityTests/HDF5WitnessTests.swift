import Foundation
import KerasFiles
import Testing

/// What our reader and writer of HDF5 and h5py's make of each other's files: `hdf5_witness.py`.
@Suite(.enabled(if: Python.withHDF5 != nil, "DOGSLED_PYTHON names no python with h5py"))
struct HDF5WitnessTests {
  let witness: HDF5Witness

  init() throws { witness = try HDF5Witness() }

  @Test("numbers of all types and shapes, stored in all ways, and strings of all kinds")
  func readsWhatItWrites() throws {
    let expected = try witness.contents("expected.json", as: [String: HDF5Witness.Contents].self)
    #expect(expected["numbers"]?.sets.count == 19 * 7)
    #expect(expected["shapes"]?.attributes.count == 7)
    for (name, contents) in expected { try compare("\(name).h5", contents) }
  }

  @Test("what Keras never writes is refused by name")
  func refuses() throws {
    let cases = try witness.contents("refused.json", as: [String: [String]].self)
    #expect(cases.count > 25)
    for (name, expected) in cases {
      let path = "\(witness.folder)/refused/\(name).h5"
      let error = #expect(throws: (any Error).self, "\(name)") {
        try HDF5.read(path) { root in
          if expected[0].hasPrefix("@") {
            _ = try root.strings(String(expected[0].dropFirst()))
          } else {
            _ = try root.floats(expected[0])
          }
        }
      }
      let text = "\(error.map { "\($0)" } ?? "")"
      #expect(text.contains(expected[1]) && text.hasPrefix(path), "\(name): \(text)")
      #expect(!text.contains("\n"))
    }
  }

  @Test("h5py reads what we write, and we what h5py adds to it")
  func writesWhatItReads() throws {
    let ours = try witness.contents("ours.json", as: HDF5Witness.Contents.self)
    #expect(ours.sets.count == HDF5Witness.linkCounts.reduce(0, +) + 5)
    #expect(ours.sets["a/b/c"]?.floats == (0..<24).map(Float.init))
    #expect(ours.sets["a/b/c"]?.shape == [2, 3, 4])
    #expect(ours.sets["bytes"]?.floats == [0, 1, 255])
    #expect(ours.sets["integer"]?.floats == [-5])
    #expect(ours.sets["none"]?.shape == [0, 3])
    #expect(ours.attributes["a@texts"] == ["one", "", "größe"])
    #expect(ours.attributes["a@text"] == [String(repeating: "x", count: 60_000)])
    #expect(ours.attributes["a@empty"] == [])
    try compare("ours.h5", ours)
    try compare("changed.h5", ours)
    let (added, text) = try HDF5.read("\(witness.folder)/changed.h5") { root in
      (try root.floats("links300/added39"), try root.group("links0").string("added"))
    }
    #expect(added.count == 40)
    #expect(text?.count == 3000)
  }

  /// Checks that we read `contents` in a file.
  private func compare(_ file: String, _ contents: HDF5Witness.Contents) throws {
    try HDF5.read("\(witness.folder)/\(file)") { root in
      for (name, set) in contents.sets {
        #expect(try root.shape(of: name) == set.shape, "\(file): \(name)")
        let floats = try root.floats(name)
        #expect(floats.map(\.bitPattern) == set.floats.map(\.bitPattern), "\(file): \(name)")
      }
      for (name, texts) in contents.attributes {
        let parts = name.split(separator: "@").map(String.init)
        #expect(try root.group(parts[0]).strings(parts[1]) == texts, "\(file): \(name)")
      }
    }
  }
}

/// A folder in which `hdf5_witness.py` ran.
final class HDF5Witness {
  /// A data set, or attributes, as the script describes them.
  struct Contents: Decodable {
    struct Numbers: Decodable {
      let shape: [Int]
      let floats: [Float]

      init(from decoder: any Decoder) throws {
        var list = try decoder.unkeyedContainer()
        shape = try list.decode([Int].self)
        floats = try list.decode([String].self).map { Float(Double($0) ?? .nan) }
      }
    }
    let sets: [String: Numbers]
    let attributes: [String: [String]]
  }

  /// How many links the groups of our file have: around the sizes of leaves and nodes.
  static let linkCounts = [0, 1, 7, 8, 9, 17, 256, 257, 300]

  let folder: String

  init() throws {
    folder = NSTemporaryDirectory() + "dogsled-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    try Self.ours().write(to: URL(fileURLWithPath: folder + "/ours.h5"))
    try Python.run(Python.withHDF5, [Python.script("hdf5_witness.py"), folder], in: folder)
  }

  deinit { try? FileManager.default.removeItem(atPath: folder) }

  func contents<Contents: Decodable>(
    _ name: String, as type: Contents.Type
  ) throws -> Contents {
    let json = try Data(contentsOf: URL(fileURLWithPath: "\(folder)/\(name)"))
    return try JSONDecoder().decode(type, from: json)
  }

  private static func ours() throws -> Data {
    try HDF5.image(for: "ours.h5") { root in
      for count in linkCounts {
        let group = try root.makeGroup("links\(count)")
        for index in 0..<count { try group.write("n\(index)", Float(index)) }
      }
      try (0..<24).map(Float.init).withUnsafeBufferPointer {
        try root.write("a/b/c", shape: [2, 3, 4], $0)
      }
      try [UInt8]([0, 1, 255]).withUnsafeBufferPointer { try root.write("bytes", shape: [3], $0) }
      try root.write("integer", -5)
      try root.write("float", 1.5)
      try [Float]().withUnsafeBufferPointer { try root.write("none", shape: [0, 3], $0) }
      let group = try root.makeGroup("a")
      try group.write(attribute: "text", String(repeating: "x", count: 60_000))
      try group.write(attribute: "texts", ["one", "", "größe"])
      try group.write(attribute: "empty", [])
    }
  }
}
