import Foundation
import Runs
import TestSupport
import Testing

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

  @Test func smoothingIsChosen() throws {
    var pictures: Set<Data> = []
    for smooth in ["0", "0.5", "0.8"] {
      let result = try Command(
        "plot", "runs/a", "--smooth", smooth, "--output", "\(smooth).svg", in: folder)
      #expect(result.status == 0, "\(result.errors)")
      pictures.insert(try folder.contents("\(smooth).svg"))
    }
    #expect(pictures.count == 3)
    #expect(try Command("plot", "runs/a", "--output", "a.svg", in: folder).status == 0)
    #expect(try folder.contents("a.svg") == folder.contents("0.8.svg"))
    for smooth in ["1", "-0.1", "nan"] {
      let refused = try Command("plot", "runs/a", "--smooth", smooth, in: folder)
      #expect(refused.status == 2 && refused.errorLines.count == 1)
      #expect(refused.errors.contains("--smooth must be from 0 to 0.99"))
    }
  }

  @Test func anotherFormatIsRefused() throws {
    let result = try Command("plot", "runs/a", "--output", "curves.gif", in: folder)
    #expect(result.status == 2)
    #expect(result.errorLines.count == 1)
    #expect(result.errors.contains("curves.gif: curves are drawn as .svg or .png"))
  }

  @Test func runsWithoutAnEpochAreLeftOut() throws {
    try folder.write(Data(History().csv.utf8), to: "runs/new/history.csv")
    try folder.write(Data("no history".utf8), to: "runs/damaged/history.csv")
    try folder.write(Data("notes".utf8), to: "runs/notes.txt")
    try folder.write(Data(), to: "runs/other/model.h5")
    let runs = ["a", "b", "damaged", "new", "notes.txt", "other"].map { "runs/\($0)" }
    let result = try Command(["plot"] + runs, in: folder)
    #expect(result.status == 0)
    #expect(result.lines == ["curves.svg", "curves.png"])
    #expect(result.errorLines.count == 4)
    for (line, start) in zip(
      result.errorLines,
      [
        "runs/damaged/history.csv: not a history", "runs/new/history.csv: no epoch is over yet",
        "runs/notes.txt: not a history", "runs/other: no run's folder",
      ])
    {
      #expect(line.hasPrefix(start) && line.hasSuffix("; left out"))
    }
    let none = try Command("plot", "runs/new", "runs/other", in: folder)
    #expect(none.status == 1 && none.output.isEmpty && none.errorLines.count == 3)
    #expect(none.errors.contains("none of the 2 runs has a finished epoch to draw"))
    let one = try Command("plot", "runs/new", in: folder)
    #expect(one.status == 1 && one.errorLines.count == 1)
    #expect(one.errors.contains("no epoch is over yet"))
  }

  /// A program in a folder bin takes its font from share/dogsled beside that.
  @Test func thePackagesFontIsTaken() throws {
    for place in ["package/bin", "elsewhere"] {
      try FileManager.default.createDirectory(
        atPath: "\(folder.path)/\(place)", withIntermediateDirectories: true)
      try FileManager.default.copyItem(
        atPath: Bundle.main.bundleURL.appendingPathComponent("dogsled").path,
        toPath: "\(folder.path)/\(place)/dogsled")
    }
    // Who reads this finds no font at all, and libcairo draws other letters.
    let nothing = """
      <fontconfig><selectfont><rejectfont><glob>/*</glob></rejectfont></selectfont></fontconfig>
      """
    try folder.write(Data(nothing.utf8), to: "package/share/dogsled/fonts.conf")
    func curves(_ program: String, _ environment: [String: String] = [:]) throws -> Data {
      let process = Process()
      process.executableURL = URL(fileURLWithPath: "\(folder.path)/\(program)/dogsled")
      process.arguments = ["plot", "runs/a", "--output", "out.svg"]
      process.currentDirectoryURL = URL(fileURLWithPath: folder.path)
      process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
      (process.standardOutput, process.standardError) = (Pipe(), Pipe())
      try process.run()
      let result = try Command(waitingFor: process)
      try #require(result.status == 0, "\(result.errors)")
      return try folder.contents("out.svg")
    }
    let own = try curves("elsewhere")
    #expect(try curves("package/bin") != own)
    #expect(try curves("package/bin", ["FONTCONFIG_FILE": "/etc/fonts/fonts.conf"]) == own)
  }
}
