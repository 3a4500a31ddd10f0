import Foundation
import Pictures
import Testing

@Suite struct BookLayoutTests {
  private let counts = BookLayout.Counts(train: 4, validation: 2, test: 1)

  /// A folder in Kaggle's naming, 7 files a class; files are copied unread, so any bytes do.
  private func photographs(_ prefix: String = "") throws -> TemporaryFolder {
    let folder = try TemporaryFolder()
    for animal in ["cat", "dog"] {
      for number in 0..<7 {
        try folder.write("\(prefix)\(animal).\(number).jpg", Array("\(animal)\(number)".utf8))
      }
    }
    return folder
  }

  @Test(arguments: ["", "train/"])
  func splitsAsTheBookDoes(prefix: String) throws {
    let source = try photographs(prefix)
    let place = try TemporaryFolder()
    let lines = try BookLayout.prepare(from: source.path, to: "\(place.path)/a/data/", counts)
    #expect(
      lines == [
        "total training cat images: 4", "total training dog images: 4",
        "total validation cat images: 2", "total validation dog images: 2",
        "total test cat images: 1", "total test dog images: 1",
      ])
    #expect(try place.names("a") == ["data"])
    #expect(try place.names("a/data/validation/dogs") == ["dog.4.jpg", "dog.5.jpg"])
    for (name, text) in [
      ("train/cats/cat.3.jpg", "cat3"), ("validation/cats/cat.4.jpg", "cat4"),
      ("test/dogs/dog.6.jpg", "dog6"),
    ] {
      #expect(try place.read("a/data/\(name)") == Array(text.utf8))
    }
  }

  @Test func overwritesNothing() throws {
    let source = try photographs()
    let place = try TemporaryFolder()
    try place.write("data/mine.txt", [1])
    let error = #expect(throws: PictureError.self) {
      try BookLayout.prepare(from: source.path, to: "\(place.path)/data", counts)
    }
    #expect(error?.description.hasPrefix("\(place.path)/data: not empty") == true)
    #expect(try place.names() == ["data"] && place.names("data") == ["mine.txt"])
    #expect(throws: PictureError(path: "\(place.path)/data/mine.txt", "exists and is not a folder"))
    {
      try BookLayout.prepare(from: source.path, to: "\(place.path)/data/mine.txt", counts)
    }
  }

  @Test func namesWhatIsMissing() throws {
    let source = try photographs()
    let place = try TemporaryFolder()
    try FileManager.default.removeItem(atPath: "\(source.path)/dog.2.jpg")
    let more = BookLayout.Counts(train: 4, validation: 2, test: 2)
    let error = #expect(throws: PictureError.self) {
      try BookLayout.prepare(from: source.path, to: "\(place.path)/data", more)
    }
    #expect(error?.reason == "3 of 16 pictures are missing: dog.2.jpg, cat.7.jpg, dog.7.jpg")
    #expect(throws: PictureError.self) {
      try BookLayout.prepare(from: place.path, to: "\(place.path)/data", counts)
    }
    #expect(try place.names().isEmpty)
  }

  @Test func leavesNothingBehindWhereItFails() throws {
    let source = try photographs()
    let place = try TemporaryFolder()
    try FileManager.default.removeItem(atPath: "\(source.path)/dog.5.jpg")
    try source.write("dog.5.jpg/inside", [1])
    #expect(throws: PictureError(path: "\(source.path)/dog.5.jpg", "not a file")) {
      try BookLayout.prepare(from: source.path, to: "\(place.path)/new/data", counts)
    }
    #expect(try place.names().isEmpty)
  }

  @Test func countsAreChecked() {
    #expect(counts.problem == nil)
    #expect(BookLayout.Counts(train: 0, validation: 1, test: 1).problem != nil)
    #expect(BookLayout.Counts(train: 1, validation: 1, test: -1).problem != nil)
  }
}
