import Foundation
import Pictures
import Testing

/// Any folder of class folders, split by the seed.
@Suite struct SplitLayoutTests {
  let place: TemporaryFolder

  /// Twenty roses, ten tulips and three weeds, and what is no picture.
  init() throws {
    place = try TemporaryFolder()
    for (name, count) in [("roses", 20), ("tulips", 10), ("weeds", 3)] {
      for number in 0..<count {
        try place.write("all/\(name)/\(number).jpg", [0xFF, 0xD8, UInt8(number)])
      }
    }
    try place.write("all/roses/notes.txt", [1])
    try place.write("all/readme", [1])
  }

  private func split(
    _ name: String, _ shares: String = "70,15,15", seed: UInt64 = 1
  ) throws -> [String] {
    try SplitLayout.prepare(
      from: "\(place.path)/all", to: "\(place.path)/\(name)",
      #require(SplitLayout.Shares(shares)), seed: seed
    ).lines
  }

  /// Names by part and class.
  private func parts(_ name: String) throws -> [String: [String]] {
    try place.names(name).reduce(into: [:]) { parts, part in
      for folder in try place.names("\(name)/\(part)") {
        parts["\(part)/\(folder)"] = try place.names("\(name)/\(part)/\(folder)")
      }
    }
  }

  @Test func everyClassIsSplitInTheSameShares() throws {
    #expect(
      try split("a") == [
        "roses: 14 training, 3 validation, 3 test", "tulips: 6 training, 2 validation, 2 test",
        "weeds: 1 training, 1 validation, 1 test",
      ])
    let parts = try parts("a")
    #expect(parts.count == 9)
    for (name, count) in [("roses", 20), ("tulips", 10), ("weeds", 3)] {
      let all = ["train", "validation", "test"].flatMap { parts["\($0)/\(name)"] ?? [] }
      // Each picture once.
      #expect(all.sorted() == (0..<count).map { "\($0).jpg" }.sorted())
    }
    for picture in parts["test/roses"] ?? [] {
      let number = try #require(UInt8(picture.dropLast(4)))
      #expect(try place.read("a/test/roses/\(picture)") == [0xFF, 0xD8, number])
    }
    let remarks = try SplitLayout.prepare(
      from: "\(place.path)/all", to: "\(place.path)/b", .standard, seed: 1
    ).remarks
    #expect(remarks.count == 1 && remarks[0].contains("1 file hidden or no picture"))
  }

  @Test func theSeedDecides() throws {
    for (name, seed) in [("a", 1), ("b", 1), ("c", 2)] as [(String, UInt64)] {
      _ = try split(name, seed: seed)
    }
    #expect(try parts("a") == parts("b"))
    #expect(try parts("a") != parts("c"))
    // It is not the names' order.
    #expect(try parts("a")["train/roses"] != (0..<14).map { "\($0).jpg" }.sorted())
  }

  @Test func withoutTestPictures() throws {
    #expect(try split("a", "80,20,0")[0] == "roses: 16 training, 4 validation, 0 test")
    #expect(try place.names("a") == ["train", "validation"])
    #expect(try split("b", "1,98,1")[2] == "weeds: 1 training, 1 validation, 1 test")
  }

  @Test(arguments: [
    "70,15", "70,15,14", "70,15,15,0", "a,b,c", "", "100,0,0", "0,50,50", "-10,55,55",
    "70.5,15,14.5",
    "70, 15, 15",
  ])
  func sharesThatAreNone(_ text: String) {
    #expect(SplitLayout.Shares(text) == nil)
  }

  @Test func whatCannotBeSplit() throws {
    func failure() -> String {
      do {
        _ = try split("a")
        return "no error"
      } catch {
        return "\(error)".replacing(place.path, with: "P")
      }
    }
    try FileManager.default.removeItem(atPath: "\(place.path)/all/weeds/2.jpg")
    #expect(failure() == "P/all/weeds: too few pictures (2) to have one in each part of 70,15,15")
    for name in ["weeds", "tulips"] {
      try FileManager.default.removeItem(atPath: "\(place.path)/all/\(name)")
    }
    #expect(
      failure() == "P/all: 1 class (roses): there must be two or more subfolders, one a class")
    try place.write("all/tulips/red/1.jpg", [0xFF, 0xD8])
    #expect(failure().hasPrefix("P/all/tulips/red: a folder inside a class"))
    try FileManager.default.removeItem(atPath: "\(place.path)/all/tulips")
    try place.write("all/a\tb/1.jpg", [0xFF, 0xD8])
    #expect(failure().hasPrefix("P/all/a\\tb: a class's name must be text"))
    #expect(try place.names() == ["all"])
  }
}
