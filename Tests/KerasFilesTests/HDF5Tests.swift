import Foundation
import KerasFiles
import Primitives
import TestSupport
import Testing

@Suite("Files of HDF5")
struct HDF5Tests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  @Test("a model of Keras is the same in all forms that h5py writes")
  func fixtures() throws {
    let keras = try ModelContents(try HDF5File(PlainFile(Fixture.keras.path)).root)
    #expect(keras.texts.count == 3 + 4)
    #expect(keras.texts[3] == "sequential/conv2d/kernel [3, 3, 3, 5]")
    #expect(keras.numbers.map(\.count) == [135, 5, 100, 1, 1, 1, 135, 5, 100, 1])
    #expect(keras.numbers[5] == [1e-4])
    #expect(keras.iteration == 1)
    for form in [Fixture.chunked, .new] {
      #expect(try ModelContents(try HDF5File(PlainFile(form.path)).root) == keras, "\(form)")
    }
  }

  @Test("what is written comes back", arguments: [0, 1, 8, 9, 256, 257, 1500])
  func roundTrip(_ count: Int) throws {
    let image = try HDF5.image(for: "x.h5") { root in
      for index in 0..<count { try root.write("group/n\(index)/value", Float(index)) }
      let group = try root.makeGroup("group")
      try group.write(attribute: "list", (0..<count).map { "ä\($0)" })
      try group.write(attribute: "text", "line\none")
      try group.write("integer", Int.min)
      let floats: [Float] = [.nan, .infinity, -0.0, .leastNonzeroMagnitude, 1]
      try floats.withUnsafeBufferPointer { try group.write("floats", shape: [5, 1], $0) }
    }
    let root = try folder.root(image)
    let group = try root.group("group")
    for index in 0..<count { #expect(try root.floats("group/n\(index)/value") == [Float(index)]) }
    #expect(try group.strings("list") == (0..<count).map { "ä\($0)" })
    #expect(try group.string("text") == "line\none")
    #expect(try group.integer("integer") == .min)
    #expect(try group.shape(of: "floats") == [5, 1])
    let bits = try group.floats("floats").map(\.bitPattern)
    #expect(bits == [Float.nan, .infinity, -0.0, .leastNonzeroMagnitude, 1].map(\.bitPattern))
    #expect(group.contains("n0") == (count > 0))
    #expect(!group.contains("n\(count)"))
    #expect(try group.strings("none") == nil)
  }

  @Test("names that look alike are two names")
  func lookAlikes() throws {
    let image = try HDF5.image(for: "x.h5") { root in
      try root.write("\u{e9}", Float(1))
      try root.write("e\u{301}", Float(2))
    }
    let root = try folder.root(image)
    #expect(try root.floats("\u{e9}") == [1])
    #expect(try root.floats("e\u{301}") == [2])
  }

  @Test("what HDF5 cannot hold is refused with its name")
  func tooLong() throws {
    for body: (HDF5NewGroup) throws -> Void in [
      { try $0.write(attribute: "a", String(repeating: "x", count: 1 << 24 + 1)) },
      { try $0.write(attribute: "a", [String(repeating: "x", count: 1 << 24), ""]) },
      { root in for _ in 0..<2 { try root.write("a", Float(1)) } },
      { root in
        try root.write("a", Float(1))
        try root.write("a/b", Float(1))
      },
    ] {
      let error = #expect(throws: HDF5Error.self) { _ = try HDF5.image(for: "x.h5", body) }
      #expect(error?.description.hasPrefix("x.h5: a: ") == true, "\(error?.description ?? "")")
    }
  }

  @Test("attributes of any length come back", arguments: [64_511, 64_512, 64_513, 66_000, 1 << 20])
  func longAttributes(_ length: Int) throws {
    let text = String(repeating: "ä", count: length / 2) + (length % 2 == 0 ? "" : "x")
    let list = (0..<length / 20).map { String(repeating: "l", count: 13 + $0 % 7) }
    let image = try HDF5.image(for: "x.h5") { root in
      let group = try root.makeGroup("group")
      try group.write(attribute: "text", text)
      try group.write(attribute: "list", list)
      try group.write("number", Float(3))
    }
    let group = try folder.root(image).group("group")
    #expect(try group.string("text") == text)
    #expect(try group.strings("list") == list)
    #expect(try group.floats("number") == [3])
  }

  @Test("a file that another program has locked is read")
  func locked() throws {
    let path = folder.path + "/locked.h5"
    try Data(try Fixture.keras.bytes).write(to: URL(fileURLWithPath: path))
    // A second description of the file stands for another process.
    let other = open(path, O_RDWR | O_CLOEXEC)
    defer { close(other) }
    #expect(flock(other, LOCK_EX | LOCK_NB) == 0)
    #expect(try ModelContents(try HDF5File(PlainFile(path)).root).iteration == 1)
    flock(other, LOCK_UN)
    var whole = Foundation.flock()
    whole.l_type = Int16(F_WRLCK)
    // Linux's F_OFD_SETLK, which Swift does not see.
    #expect(fcntl(other, 37, &whole) == 0)
    #expect(try ModelContents(try HDF5File(PlainFile(path)).root).iteration == 1)
  }

  @Test("what is no plain file is refused at once")
  func noPlainFile() throws {
    let (pipe, link) = (folder.path + "/pipe", folder.path + "/link")
    #expect(mkfifo(pipe, 0o600) == 0)
    #expect(symlink(Fixture.keras.path, link) == 0)
    for path in [pipe, "/dev/null", "/dev/zero", folder.path] {
      let error = #expect(throws: FileError.self) { try PlainFile(path) }
      #expect(error?.description == "\(path): not a file")
    }
    #expect(try PlainFile(link).size == PlainFile(Fixture.keras.path).size)
    let error = #expect(throws: FileError.self) { try PlainFile(link, followingLinks: false) }
    #expect(error?.description.contains("a symbolic link") == true)
    let missing = #expect(throws: FileError.self) { try PlainFile(folder.path + "/none") }
    #expect(missing?.description.contains("No such file") == true)
  }
}
