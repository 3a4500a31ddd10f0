import Foundation
import TestSupport
import Testing

/// The verbs that make data sets, by bare names as a newcomer types them.
@Suite struct DataCommandTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private static let counts = ["--train", "3", "--validation", "2", "--test", "1"]

  @Test func namesOfOneLetter() throws {
    let sample = try Command(["sample", "S"] + Self.counts, in: folder)
    #expect(sample.status == 0, "\(sample.errors)")
    let drawn = "\(folder.path)/S/train"
    for number in 0..<6 {
      for (animal, part) in [("cat", "cats"), ("dog", "dogs")] {
        let picture = try Data(
          contentsOf: URL(fileURLWithPath: "\(drawn)/\(part)/\(animal).\(number % 3).jpg"))
        try folder.write(picture, to: "P/\(animal).\(number).jpg")
      }
    }
    let prepare = try Command(["prepare", "P", "D"] + Self.counts, in: folder)
    #expect(prepare.lines.map { $0.split(separator: " ").last } == ["3", "3", "2", "2", "1", "1"])
    let again = try Command(["prepare", "P", "D"] + Self.counts, in: folder)
    #expect(again.status == 1)
    #expect(again.errorLines.count == 1 && again.errors.contains("D: not empty"))
    let train = try Command(
      "train", "D", "--run", "R", "--epochs", "1", "--steps-per-epoch", "1", "--batch-size", "2",
      in: folder)
    #expect(train.status == 0, "\(train.errors)")
    #expect(try Command("plot", "R", in: folder).lines == ["R/curves.svg", "R/curves.png"])
    #expect(try Command("evaluate", "R/model.h5", "D/test", in: folder).status == 0)
  }

  /// Files whose names are no UTF-8 or no JPEG's are trained on, by worker processes too.
  @Test func oddNamesAreTrainedOn() throws {
    let sample = try Command(["sample", "S"] + Self.counts, in: folder)
    #expect(sample.status == 0, "\(sample.errors)")
    let rename = Process()
    rename.executableURL = URL(fileURLWithPath: "/bin/sh")
    rename.arguments = [
      "-c",
      """
      mv S/train/cats/cat.0.jpg "$(printf 'S/train/cats/\\351')"
      mv S/validation/dogs/dog.3.jpg S/validation/dogs/dog.HEIC; echo text >S/train/dogs/notes
      """,
    ]
    rename.currentDirectoryURL = URL(fileURLWithPath: folder.path)
    try rename.run()
    rename.waitUntilExit()
    #expect(rename.terminationStatus == 0)
    let options = ["--epochs", "1", "--steps-per-epoch", "2", "--batch-size", "2"]
    let one = try Command(["train", "S", "--run", "one"] + options, in: folder)
    let two = try Command(
      ["train", "S", "--run", "two", "--workers", "1", "--threads", "1"] + options, in: folder)
    for result in [one, two] {
      #expect(result.status == 0, "\(result.errors)")
      #expect(result.errors.contains("cats 3+2, dogs 3+2"))
      #expect(
        result.errors.contains(
          "S/train: 1 file hidden or no picture, and passed over: dogs/notes\n"))
    }
    let digests = [one, two].map { $0.lines.first { $0.hasPrefix("digest") } }
    #expect(digests[0] != nil && digests[0] == digests[1])
  }
}
