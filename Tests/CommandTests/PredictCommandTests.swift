import Foundation
import TestSupport
import Testing

/// `predict`: the table, for people and for programs, and the names of files in it.
@Suite struct PredictCommandTests {
  private let files: ModelFolder
  private var folder: TemporaryFolder { files.folder }

  init() throws { files = try ModelFolder() }

  private func predict(_ arguments: String...) throws -> Command {
    try Command(["predict", "model.h5"] + arguments, in: folder)
  }

  private let header = "file\tclass\tprobability"
  /// That a dog is one, and that a cat is one.
  private let dog = 1 / (1 + exp(-(14.4 * 230 / 255 - 7.2)))
  private let cat = 1 / (1 + exp(14.4 * 20 / 255 - 7.2))

  private func rows(_ result: Command) -> [[String]] {
    result.lines.dropFirst().map { $0.components(separatedBy: "\t") }
  }

  @Test func printsGoodFilesAndNamesBadOnes() throws {
    try folder.write(Data("no picture".utf8), to: "bad.jpg")
    let result = try predict(
      "data/dogs/0.jpg", "bad.jpg", "data/cats/0.jpg", "none.jpg", "--batch-size", "2")
    #expect(result.status == 1)
    #expect(result.lines[0] == header)
    let rows = rows(result)
    #expect(rows.map { $0[0] } == ["data/dogs/0.jpg", "data/cats/0.jpg"])
    #expect(rows.map { $0[1] } == ["dogs", "cats"])
    // Of the class that is named.
    for (row, expected) in zip(rows, [dog, cat]) {
      #expect(abs((Double(row[2]) ?? 0) - expected) < 1e-3)
    }
    #expect(result.errorLines[0].hasPrefix("bad.jpg: "))
    #expect(result.errorLines[1].hasPrefix("none.jpg: "))
    #expect(result.errorLines.last?.contains("2 of 4 files could not be read") == true)
  }

  @Test func classNames() throws {
    try files.writeModel("model.h5", classes: nil)
    let nameless = try predict("data/cats/0.jpg", "data/dogs/0.jpg")
    #expect(nameless.status == 0 && rows(nameless).map { $0[1] } == ["class 0", "class 1"])
    #expect(nameless.errors.contains("model.h5: names no classes"))
    let named = try predict("data/cats/0.jpg", "--classes", "miau,wuff")
    #expect(rows(named).map { $0[1] } == ["miau"] && named.errors.isEmpty)
  }

  @Test func foldersAreTakenWhole() throws {
    try folder.write(ModelFolder.picture(230), to: "data/more/deep/dog")
    try folder.write(Data("text".utf8), to: "data/more/notes.txt")
    try folder.write(Data(), to: "empty/notes.txt")
    let result = try predict("data", "data/cats/1.jpg", "empty")
    let expected =
      (0..<5).map { "data/cats/\($0).jpg" } + (0..<4).map { "data/dogs/\($0).jpg" }
      + ["data/more/deep/dog", "data/cats/1.jpg"]
    #expect(rows(result).map { $0[0] } == expected)
    #expect(result.status == 1)
    #expect(
      result.errorLines == [
        "data: 1 file hidden or no picture, and passed over: more/notes.txt",
        "empty: no picture is in it", "dogsled: 1 of 12 files could not be read",
      ])
    #expect(try predict("data/").status == 0)
  }

  @Test func forPrograms() throws {
    let name = "data/a \"b\",\nc\\d.jpg"
    try files.writePicture(name, brightness: 20)
    let json = try predict(name, "data/dogs/0.jpg", "--json")
    let objects = try json.lines.map {
      try #require(try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any])
    }
    #expect(objects.map { $0["file"] as? String } == [name, "data/dogs/0.jpg"])
    #expect(objects.map { $0["class"] as? String } == ["cats", "dogs"])
    #expect(abs((objects[0]["probability"] as? Double ?? 0) - cat) < 1e-3)
    #expect(objects.allSatisfy { $0.count == 3 })
    let csv = try predict(name, "data/dogs/0.jpg", "--csv")
    #expect(
      csv.output.hasPrefix("file,class,probability\n\"data/a \"\"b\"\",\nc\\d.jpg\",cats,0.99"))
    #expect(csv.lines.last?.hasPrefix("data/dogs/0.jpg,dogs,0.99") == true)
  }

  @Test func oneRowAFileWhateverItsName() throws {
    let forged = "a.jpg\tdogs\t1.000000\nb.jpg"
    for name in [forged, "c\u{1B}[2K.jpg", "e\r.jpg"] {
      try files.writePicture("names/\(name)", brightness: 20)
    }
    let result = try predict("names")
    #expect(result.status == 0 && result.lines.count == 4)
    #expect(rows(result).allSatisfy { $0.count == 3 && $0[1] == "cats" })
    #expect(rows(result)[0][0] == #"names/a.jpg\tdogs\t1.000000\nb.jpg"#)
    #expect(!result.output.contains("\u{1B}") && !result.output.contains("\r"))
    try files.writeModel("model.h5", classes: ["a\nb", "c\td"])
    #expect(rows(try predict("names/\(forged)")).map { $0[1] } == [#"a\nb"#])
  }

  @Test func aNameThatBeginsWithADash() throws {
    try files.writePicture("-dash.jpg", brightness: 20)
    try files.writePicture("-h.jpg", brightness: 230)
    for arguments in [["-dash.jpg", "-h.jpg"], ["--", "-dash.jpg", "-h.jpg"]] {
      let result = try Command(["predict", "model.h5"] + arguments, in: folder)
      #expect(result.status == 0, "\(result.errors)")
      #expect(result.lines[0] == header)
      #expect(rows(result).map { $0[1] } == ["cats", "dogs"])
    }
    #expect(try predict("-h").output.hasPrefix("OVERVIEW"))
  }

  @Test func namesThatAreNoUTF8() throws {
    let result = try files.shell(
      """
      name="$(printf 'caf\\351.jpg')"; cp data/cats/0.jpg "$name"
      cp data/dogs/0.jpg "$(printf 'caf\\357\\277\\275.jpg')"
      "$dogsled" predict model.h5 "$name" && "$dogsled" predict model.h5 --json "$name"
      """)
    #expect(result.status == 0, "\(result.errors)")
    // Not the dog whose name is what a repair makes of the cat's.
    #expect(result.lines[1].hasPrefix("caf\\xE9.jpg\tcats\t"))
    #expect(result.lines[2].hasPrefix(#"{"file": "caf\\xE9.jpg", "class": "cats""#))
    for command in [
      "train data --run \"$name\"", "summary --model \"$name\"", "train \"$name\"",
      "plot data --output \"$name.svg\"",
      "worker 127.0.0.1:1 --insecure --data=\"$name\" --once",
    ] {
      let refused = try files.shell("name=\"$(printf 'caf\\351')\"; \"$dogsled\" \(command)")
      #expect(refused.status == 2 && refused.errorLines.count == 1, "\(refused.errors)")
      #expect(refused.errors.contains("xE9") && refused.errors.contains("must be text in UTF-8"))
    }
    let made = try FileManager.default.contentsOfDirectory(atPath: folder.path)
    #expect(made.filter { $0.hasPrefix("caf") && !$0.hasSuffix(".jpg") } == [])
  }

  @Test func anOutputThatIsNoNumberIsAFailure() throws {
    try files.writeDivergedModel("model.h5")
    for form in [[], ["--csv"], ["--json"]] {
      let result = try Command(["predict", "model.h5", "data"] + form, in: folder)
      #expect(result.status == 1 && result.errorLines.count == 1)
      #expect(!result.output.contains("nan"))
      #expect(result.errors.contains("its weights are not finite"))
    }
  }
}
