import Foundation
import Testing
import Training

/// The verb that draws runs.
@Suite struct PlotCommandTests {
  let folder: TemporaryFolder

  /// Two folders with three epochs each.
  init() throws {
    folder = try TemporaryFolder()
    let records = (1...3).map { epoch in
      EpochRecord(
        epoch: epoch, loss: 0.7 / Double(epoch), accuracy: 0.5, validationLoss: 0.6,
        validationAccuracy: 0.6, seconds: 1, picturesPerSecond: 9)
    }
    for run in ["a", "b"] {
      try folder.write(Data(History(records).csv.utf8), to: "runs/\(run)/history.csv")
    }
  }

  private func exists(_ name: String) -> Bool {
    FileManager.default.fileExists(atPath: folder.path + "/" + name)
  }

  @Test func oneRunGoesIntoItsFolder() throws {
    let result = try Command("plot", "runs/a", in: folder)
    #expect(result.lines == ["runs/a/curves.svg", "runs/a/curves.png"])
    #expect(result.lines.allSatisfy(exists))
  }

  @Test func severalRunsGoIntoThisFolderOrWhereToldTo() throws {
    #expect(
      try Command("plot", "runs/a", "runs/b", in: folder).lines == ["curves.svg", "curves.png"])
    #expect(exists("curves.svg") && exists("curves.png"))
    let told = try Command(
      "plot", "runs/a/history.csv", "runs/b", "--output", "both.png", in: folder)
    #expect(told.lines == ["both.png"])
    #expect(exists("both.png"))
  }

  @Test func anotherFormatIsRefused() throws {
    let result = try Command("plot", "runs/a", "--output", "curves.gif", in: folder)
    #expect(result.status == 2)
    #expect(result.errorLines.count == 1)
    #expect(result.errors.contains("curves.gif: curves are drawn as .svg or .png"))
  }
}
