import Foundation
import TestSupport
import Testing

/// `augment`, and the options that say how pictures are changed.
@Suite struct AugmentCommandTests {
  let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
    let counts = ["--train", "1", "--validation", "1", "--test", "0"]
    #expect(try Command(["sample", "set"] + counts, in: folder).status == 0)
  }

  private static let picture = "set/train/cats/cat.0.jpg"

  private func sheet(_ arguments: String...) throws -> Data {
    let result = try Command(
      ["augment", Self.picture, "--output", "sheet.png"] + arguments, in: folder)
    #expect(result.status == 0, "\(result.errors)")
    #expect(result.output == "sheet.png\n" && result.errors.isEmpty)
    return try Data(contentsOf: URL(fileURLWithPath: folder.file("sheet.png")))
  }

  /// Width and height of a PNG.
  private func size(_ sheet: Data) -> [Int] {
    [16, 20].map { start in sheet[start..<start + 4].reduce(0) { $0 << 8 | Int($1) } }
  }

  @Test func `A sheet has as many pictures as were asked for, in rows`() throws {
    let book = try sheet()
    #expect(book.starts(with: [0x89, 0x50, 0x4E, 0x47]))
    #expect(size(book) == [612, 304])
    #expect(try size(sheet("--count", "3", "--input-size", "20x30")) == [98, 20])
    #expect(try size(sheet("--count", "1", "--input-size", "1x1")) == [1, 1])
    // The book's settings where none are named; the seed decides, and nothing else.
    #expect(try sheet("--augment") == book)
    #expect(try sheet("--seed", "1") == book)
    #expect(try sheet("--seed", "2") != book)
    #expect(try sheet("--augment", "--shear", "0.2") == book)
    #expect(try sheet("--augment", "--no-horizontal-flip") != book)
    #expect(try sheet("--rotation", "40") != book)
    // Nothing but what is named.
    let plain = try sheet("--rotation", "0")
    #expect(try sheet("--zoom", "1,1") == plain)
    #expect(try sheet("--brightness", "0") == plain)
    #expect(try sheet("--vertical-flip") != plain)
  }

  @Test(arguments: [
    (["--rotation", "1e9"], "--rotation must be from 0 to 180 degrees, not 1e+09"),
    (["--rotation", "-1"], "--rotation must be from 0 to 180 degrees, not -1"),
    (["--rotation", "nan"], "--rotation must be"), (["--rotation", "x"], "'x' is invalid"),
    (["--zoom", "2"], "--zoom must be at least 0 and below 1, or two factors"),
    (["--zoom", "0.8,0.5"], "--zoom must be"), (["--zoom", "0,1"], "--zoom must be"),
    (["--zoom", "1,2,3"], "'1,2,3' is invalid"),
    (["--width-shift", "-0.1"], "--width-shift must be at least 0 and below 1, not -0.1"),
    (["--height-shift", "1"], "--height-shift must be at least 0 and below 1, not 1"),
    (["--shear", "90"], "--shear must be at least 0 and below 90 degrees, not 90"),
    (["--brightness", "1.5"], "--brightness must be"),
    (["--brightness", "0.5,11"], "--brightness must be"),
    (["--brightness", "bright"], "'bright' is invalid"),
    (["--augment", "--fill-mode", "blue"], "'blue' is invalid for '--fill-mode <mode>'"),
    (["--fill-mode", "wrap", "--brightness", "0.5"], "--fill-mode wrap fills nothing"),
    (["--horizontal-flip=yes"], "'--horizontal-flip' does not take any value"),
  ])
  func `A wrong value is wrong usage, of every verb`(_ options: [String], says: String) throws {
    for verb in [
      ["augment", Self.picture, "--output", "a.png"], ["bench", "augment"], ["train", "set"],
      ["coordinator", "set"],
    ] {
      let result = try Command(verb + options, in: folder)
      #expect(result.status == 2)
      #expect(result.errorLines.count == 1 && result.output.isEmpty)
      #expect(result.errors.contains(says), "\(result.errors)")
    }
    #expect(!FileManager.default.fileExists(atPath: folder.file("a.png")))
  }

  @Test(arguments: [
    (["nowhere.jpg", "--output", "a.png"], 1, "nowhere.jpg"),
    (["set/train", "--output", "a.png"], 1, "set/train"),
    ([picture, "--output", "a.jpg"], 2, "--output a.jpg: a sheet is drawn as .png"),
    ([picture], 2, "--output"),
    ([picture, "--output", "a.png", "--count", "0"], 2, "--count must be from 1 to 1000, not 0"),
    ([picture, "--output", "a.png", "--input-size", "0x3"], 2, "0x3"),
    ([picture, "--output", "no/a.png"], 1, "no/a.png"),
    (
      [picture, "--output", "a.png", "--count", "99", "--input-size", "4096x4096"], 1,
      "draw fewer or smaller pictures"
    ),
  ])
  func `What cannot be drawn is said`(arguments: [String], status: Int32, says: String) throws {
    let result = try Command(["augment"] + arguments, in: folder)
    #expect(result.status == status)
    #expect(result.errorLines.count == 1 && result.output.isEmpty)
    #expect(result.errors.contains(says), "\(result.errors)")
  }
}
