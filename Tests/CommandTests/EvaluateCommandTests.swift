import Foundation
import Runs
import TestSupport
import Testing

/// `evaluate`: which folder is which class, and what is said of the pictures.
@Suite struct EvaluateCommandTests {
  private let files: ModelFolder
  private var folder: TemporaryFolder { files.folder }

  init() throws { files = try ModelFolder() }

  private func evaluate(_ arguments: String...) throws -> Command {
    try Command(["evaluate", "model.h5", "data"] + arguments, in: folder)
  }

  private func isRight(_ result: Command, pictures: Int = 9) -> Bool {
    result.status == 0
      && result.lines.first?.hasSuffix("accuracy 1.000000  pictures \(pictures)") == true
  }

  @Test func countsEveryPicture() throws {
    // 144 weights of 0.1 times brightness / 255, minus 7.2.
    let (cat, dog) = (14.4 * 20 / 255 - 7.2, 14.4 * 230 / 255 - 7.2)
    let loss = (5 * log1p(exp(cat)) + 4 * log1p(exp(-dog))) / 9
    for batch in ["1", "4", "20", "4096"] {
      let words = try #require(try evaluate("--batch-size", batch).lines.first)
        .split(separator: " ")
      #expect(abs((Double(words[1]) ?? 0) - loss) < 2e-3)
      #expect(words[3] == "1.000000")
      #expect(words[5] == "9")
    }
  }

  /// One cat as bright as a dog, and one dog as dark as a cat but not quite.
  private func mislead() throws {
    try files.writePicture("data/cats/bright.jpg", brightness: 250)
    try files.writePicture("data/dogs/dark.jpg", brightness: 110)
  }

  @Test func theTableAndTheWorst() throws {
    try mislead()
    let lines = try evaluate().lines
    #expect(lines.count == 7)
    #expect(lines[0].hasSuffix("accuracy 0.818182  pictures 11"))
    #expect(
      lines[1...3] == [
        "class  pictures  precision  recall  taken for",
        "cats          6     0.8333  0.8333  dogs 1",
        "dogs          5     0.8000  0.8000  cats 1",
      ])
    #expect(lines[4] == "most wrong about")
    #expect(lines[5].hasSuffix("  data/cats/bright.jpg  cats taken for dogs"))
    #expect(lines[6].hasSuffix("  data/dogs/dark.jpg  dogs taken for cats"))
    let bright = 1 / (1 + exp(14.4 * 250 / 255 - 7.2))
    #expect(abs((Double(lines[5].prefix(6)) ?? 1) - bright) < 1e-3)
    #expect(try evaluate("--worst", "1").lines == Array(lines[...5]))
    #expect(try evaluate("--worst", "0").lines == Array(lines[...3]))
    for worst in ["-1", "1001"] {
      let refused = try evaluate("--worst", worst)
      #expect(refused.status == 2 && refused.errorLines.count == 1)
    }
  }

  @Test func thePageNeedsNoOtherFile() throws {
    try mislead()
    try files.rename("data/cats", to: "data/c&<b>")
    try files.rename("data/dogs", to: "data/\"d'")
    let record = EpochRecord(
      epoch: 1, loss: 0.7, accuracy: 0.5, validationLoss: 0.6, validationAccuracy: 0.6, seconds: 1,
      picturesPerSecond: 9)
    try folder.write(Data(History([record]).csv.utf8), to: "run/history.csv")
    try files.writeModel("run/model.h5", classes: ["c&<b>", "\"d'"])
    let result = try Command("evaluate", "run", "data", "--html", "page.html", in: folder)
    #expect(result.status == 0)
    #expect(result.errorLines == ["using run/model.h5", "wrote page.html"])
    let page = String(decoding: try folder.contents("page.html"), as: UTF8.self)
    #expect(!page.contains("<b>") && !page.contains("\"d'"))
    #expect(page.contains("<td class=\"name\">c&amp;&lt;b&gt;</td>"))
    #expect(page.contains("&quot;d&#39;/dark.jpg<br>"))
    #expect(page.contains("<svg ") && !page.contains("<?xml"))
    let sources = page.matches(of: /src="([^"]*)"/).map(\.1)
    #expect(sources.count == 2)
    for source in sources {
      #expect(source.hasPrefix("data:image/jpeg;base64,"))
      let data = try #require(Data(base64Encoded: String(source.dropFirst(23))))
      #expect(data.starts(with: [0xFF, 0xD8]))
    }
    // Nothing is fetched from anywhere.
    #expect(page.matches(of: /(?:src|href)="(?!data:|#)/).isEmpty)
    // Without a history there are no curves.
    let bare = try Command(
      "evaluate", "model.h5", "data", "--classes", "c&<b>,\"d'", "--html", "bare.html", in: folder)
    #expect(bare.status == 0, "\(bare.errors)")
    let text = String(decoding: try folder.contents("bare.html"), as: UTF8.self)
    #expect(!text.contains("<svg ") && text.contains("no history.csv beside the model"))
    let nowhere = try Command(
      "evaluate", "run", "data", "--html", "none/page.html", in: folder)
    #expect(nowhere.status == 1 && nowhere.errors.contains("none/page.html"))
  }

  @Test func namesEveryBadPicture() throws {
    try folder.write(Data("no picture".utf8), to: "data/cats/bad.jpg")
    try folder.write(Data(), to: "data/dogs/empty.jpg")
    let refused = try evaluate()
    #expect(refused.status == 1)
    #expect(refused.output.isEmpty)
    #expect(refused.errors.contains("data/cats/bad.jpg: "))
    #expect(refused.errors.contains("data/dogs/empty.jpg: "))
    let skipped = try evaluate("--skip-unreadable")
    #expect(isRight(skipped))
    #expect(skipped.errors.contains("left out 2 pictures"))
  }

  @Test func eightyBadPicturesAreElevenLines() throws {
    for number in 0..<80 { try folder.write(Data("no".utf8), to: "data/cats/\(number)bad.jpg") }
    let refused = try evaluate()
    #expect(refused.status == 1 && refused.errorLines.count == 12)
    #expect(refused.errorLines[10] == "and 70 more")
    #expect(refused.errorLines[11].contains("80 of the pictures cannot be used"))
    #expect(isRight(try evaluate("--skip-unreadable")))
    let predicted = try Command("predict", "model.h5", "data", in: folder)
    #expect(predicted.status == 1 && predicted.lines.count == 10)
    #expect(predicted.errorLines.count == 12 && predicted.errorLines[10] == "and 70 more")
  }

  /// Dogs come first by name, and are class 1 all the same.
  @Test func namesThatTheModelDoesNotKnow() throws {
    try files.rename("data/cats", to: "data/felines")
    let refused = try evaluate()
    #expect(refused.status == 1 && refused.output.isEmpty && refused.errorLines.count == 1)
    #expect(
      refused.errors.contains(
        "data: has the classes dogs, felines, and the model was trained on cats, dogs"))
    #expect(refused.errors.contains("--classes A,B"))
    #expect(isRight(try evaluate("--classes", "felines,dogs")))
    #expect(try evaluate("--classes", "dogs,felines").output.contains("accuracy 0.000000"))
    let other = try evaluate("--classes", "cats,dogs")
    #expect(other.status == 1 && other.output.isEmpty)
    #expect(other.errors.contains("data: has the classes dogs, felines, and --classes names cats"))
    try files.rename("data/dogs", to: "data/Cats")
    #expect(try evaluate().status == 1)
  }

  @Test func theOrderIsTheModels() throws {
    try files.rename("data/dogs", to: "data/aardvarks")
    try files.writeModel("model.h5", classes: ["cats", "aardvarks"])
    #expect(isRight(try evaluate()))
  }

  @Test(arguments: ["\u{E9}", "e\u{301}"], ["\u{E9}", "e\u{301}"])
  func unicodeFormsAreTheSame(ofModel: String, ofFolder: String) throws {
    // By bytes, f stands between the two forms.
    try files.rename("data/cats", to: "data/\(ofFolder)")
    try files.rename("data/dogs", to: "data/f")
    try files.writeModel("model.h5", classes: [ofModel, "f"])
    #expect(isRight(try evaluate()))
    #expect(isRight(try evaluate("--classes", "\(ofModel),f")))
  }

  @Test func aModelWithoutNames() throws {
    for classes in [nil, ["cats"], ["cats", "cats"]] {
      try files.writeModel("model.h5", classes: classes)
      let refused = try evaluate()
      #expect(refused.status == 1 && refused.output.isEmpty && refused.errorLines.count == 1)
      #expect(refused.errors.contains("model.h5: names no classes"))
      #expect(refused.errors.contains("--classes cats,dogs"))
      #expect(isRight(try evaluate("--classes", "cats,dogs")))
    }
  }

  @Test func oneClassIsEnoughAndThreeAreTooMany() throws {
    try folder.write(ModelFolder.picture(20), to: "data/foxes/0.jpg")
    #expect(try evaluate().errors.contains("data: 3 classes (cats, dogs, foxes)"))
    try FileManager.default.removeItem(atPath: folder.path + "/data/foxes")
    try FileManager.default.removeItem(atPath: folder.path + "/data/cats")
    #expect(isRight(try evaluate(), pictures: 4))
    try files.writeModel("model.h5", classes: nil)
    #expect(try evaluate().status == 1)
    #expect(isRight(try evaluate("--classes", "cats,dogs"), pictures: 4))
  }

  @Test func aLossThatIsNoNumberIsAFailure() throws {
    try files.writeDivergedModel("model.h5")
    let result = try evaluate()
    #expect(result.status == 1 && result.output.isEmpty && result.errorLines.count == 1)
    #expect(result.errors.contains("its weights are not finite"))
  }

  @Test func saysWhatIsPassedOverAndIgnored() throws {
    try folder.write(Data("cats".utf8), to: "data/cats/notes.txt")
    try folder.write(ModelFolder.picture(20), to: "data/cats/cat.HEIC")
    let tiff = "II*\0" + "\u{8}\0\0\0" + "\u{1}\0" + "\u{12}\u{1}\u{3}\0\u{1}\0\0\0\u{6}\0\0\0"
    let segment = Data([0xFF, 0xE1, 0, 30]) + Data("Exif\0\0\(tiff)".utf8)
    let turned = Data([0xFF, 0xD8]) + segment + (try ModelFolder.picture(20).dropFirst(2))
    try folder.write(turned, to: "data/cats/turned.jpg")
    let result = try evaluate()
    #expect(isRight(result, pictures: 11))
    #expect(
      result.errorLines == [
        "data: 1 file hidden or no picture, and passed over: cats/notes.txt",
        "1 picture carries an EXIF rotation, which is ignored, as Keras does",
      ])
  }

  @Test func namesThatAreNoUTF8() throws {
    let result = try files.shell(
      """
      name="$(printf 'd\\351')"; mv data "$name"; mv "$name"/cats/0.jpg "$name"/cats/"$name".jpg
      "$dogsled" evaluate model.h5 "$name"
      """)
    #expect(isRight(result), "\(result.errors)")
    let refused = try files.shell(
      """
      "$dogsled" evaluate "$(printf 'm\\351.h5')" none
      """)
    #expect(refused.status == 2 && refused.errorLines.count == 1)
    #expect(refused.errors.contains(#"m\xE9.h5: this name must be text in UTF-8"#))
  }
}
