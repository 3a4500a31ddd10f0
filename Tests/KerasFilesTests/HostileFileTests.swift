import Foundation
import KerasFiles
import Primitives
import TestSupport
import Testing

@Suite("Hostile files of HDF5")
struct HostileFileTests {
  let folder: TemporaryFolder
  let image: [UInt8]

  init() throws {
    folder = try TemporaryFolder()
    image = [UInt8](
      try HDF5.image(for: "x.h5") { root in
        try (0..<12).map(Float.init).withUnsafeBufferPointer {
          try root.write("group/numbers", shape: [3, 4], $0)
        }
        let group = try root.makeGroup("group")
        try group.write(attribute: "texts", ["one", "two"])
        // Two levels of nodes.
        for index in 0..<300 { try root.write("many/n\(index)", Float(index)) }
      })
  }

  /// Reads everything in the image.
  private func read(_ bytes: [UInt8]) throws {
    let root = try folder.root(bytes)
    let group = try root.group("group")
    _ = try group.strings("texts")
    _ = try group.floats("numbers")
    _ = try group.integer("numbers")
  }

  /// The places of `mark` in the image.
  private func places(_ mark: [UInt8]) -> [Int] {
    image.indices.dropLast(mark.count).filter { image[$0..<$0 + mark.count].elementsEqual(mark) }
  }
  private func places(_ mark: String) -> [Int] { places(Array(mark.utf8)) }

  /// The image with a number of `width` bytes at `place`.
  private func with(_ number: UInt64, _ width: Int = 8, at place: Int) -> [UInt8] {
    var bytes = image
    for index in 0..<width { bytes[place + index] = UInt8(number >> UInt64(8 * index) & 255) }
    return bytes
  }

  private func expectRefusal(_ bytes: [UInt8], _ what: String) throws {
    let error = #expect(throws: HDF5Error.self, "\(what)") {
      try read(bytes)
      _ = try folder.root(bytes).group("many").floats("n299")
    }
    let text = error?.description ?? ""
    #expect(text.hasPrefix(folder.path) && !text.contains("\n"), "\(what): \(text)")
  }

  @Test("lengths and places beyond the file")
  func beyond() throws {
    let huge: [UInt64] = [.max - 1, 1 << 63, 1 << 62, 1 << 40, UInt64(image.count)]
    let numbers = try #require(places([3, 1]).first { image[$0 + 10] == 48 })
    for number in huge {
      if number > image.count { try expectRefusal(with(number, at: 40), "the file's end") }
      try expectRefusal(with(number, at: 64), "the root")
      for place in places("HEAP") {
        try expectRefusal(with(number, at: place + 8), "a heap's length")
        try expectRefusal(with(number, at: place + 24), "a heap's place")
      }
      for place in places("SNOD") {
        try expectRefusal(with(number, at: place + 8), "a name's place")
      }
      try expectRefusal(with(number, at: numbers + 2), "numbers' place")
    }
    for place in places("SNOD") { try expectRefusal(with(65_535, 2, at: place + 6), "many links") }
    for place in places("TREE") {
      try expectRefusal(with(65_535, 2, at: place + 6), "many children")
    }
  }

  @Test("shapes of more than memory holds")
  func shapes() throws {
    // The shape of the numbers: version 1, two dimensions, 3 and 4.
    let place = try #require(places([1, 2, 0, 0, 0, 0, 0, 0, 3]).first)
    for size: UInt64 in [1 << 62, 1 << 40, 1 << 31, 1 << 30, 1 << 20, 4, .max] {
      try expectRefusal(with(size, at: place + 8), "\(size) rows")
    }
    try expectRefusal(with(33, 1, at: place + 1), "33 dimensions")
    try expectRefusal(with(255, 1, at: place + 1), "255 dimensions")
    // None of one thing is nothing, however much of another.
    var bytes = with(0, at: place + 8)
    bytes.replaceSubrange(place + 16..<place + 24, with: [UInt8](repeating: 0x7F, count: 8))
    try expectRefusal(bytes, "no rows of too many columns")
  }

  @Test("structures that refer to themselves")
  func cycles() throws {
    for place in places("TREE") {
      var bytes = with(UInt64(place), at: place + 32)
      try expectRefusal(bytes, "a tree whose first leaf is itself")
      for level: UInt8 in [1, 2, 255] {
        bytes[place + 5] = level
        try expectRefusal(bytes, "a tree that is its own child at level \(level)")
      }
    }
    // A header that goes on with itself: the layout becomes a continuation.
    let layout = try #require(places([8, 0, 24, 0]).first)
    var bytes = with(0x10, 2, at: layout)
    for (place, number) in [(layout + 8, layout), (layout + 16, 32)] {
      for index in 0..<8 { bytes[place + index] = UInt8(number >> (8 * index) & 255) }
    }
    try expectRefusal(bytes, "a header that goes on with itself")
    // A group that is in itself ends where the path does.
    let leaf = try #require(places("SNOD").last)
    let top = (0..<8).reduce(0) { $0 | UInt64(image[64 + $1]) << UInt64(8 * $1) }
    let root = try folder.root(with(top, at: leaf + 16))
    let path = [String](repeating: "group", count: 5000).joined(separator: "/")
    _ = try root.group(path)
    #expect(throws: HDF5Error.self) { try root.floats(path + "/numbers") }
  }

  @Test("what Keras does not write")
  func unusual() throws {
    for (place, value, what) in [
      (8, 9, "superblock 9"), (13, 4, "addresses of 4 bytes"), (14, 4, "lengths of 4 bytes"),
      (24, 8, "a file behind another"), (48, 0, "a split file"),
    ] {
      try expectRefusal(with(UInt64(value), 1, at: place), what)
    }
    for place in places("SNOD") {
      var bytes = image
      for index in 0..<Int(image[place + 6]) { bytes[place + 24 + 40 * index] = 2 }
      try expectRefusal(bytes, "soft links")
    }
  }

  @Test("a sparse file of many gigabytes takes no memory")
  func sparse() throws {
    let path = folder.path + "/sparse.h5"
    try Data(image).write(to: URL(fileURLWithPath: path))
    #expect(truncate(path, 1 << 34) == 0)
    #expect(try HDF5File(PlainFile(path)).root.group("group").floats("numbers").count == 12)
  }

  @Test("a file of Keras cut anywhere, or with any byte changed", arguments: Fixture.allCases)
  func damaged(_ fixture: Fixture) throws {
    let whole = try fixture.bytes
    func read(_ bytes: [UInt8], mustFail: Bool = false) throws {
      do {
        _ = try ModelContents(try folder.root(bytes))
        #expect(!mustFail)
      } catch {
        #expect(error is HDF5Error, "\(error)")
        #expect(!"\(error)".contains("\n"), "\(error)")
      }
    }
    for length in stride(from: 0, to: whole.count, by: 131) {
      try read(Array(whole.prefix(length)), mustFail: true)
    }
    for place in stride(from: 0, to: whole.count, by: whole.count / 3000) {
      for value in [whole[place] ^ 0xFF, whole[place] ^ 1, 0x7F] {
        var changed = whole
        changed[place] = value
        try read(changed)
      }
    }
  }
}
