import Engine
import Foundation
import KerasFiles
import Runs
import TestSupport
import Testing

/// Runs with more than two classes.
@Suite(.serialized) struct ClassesCommandTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  /// The book's convolutions for pictures of `side` x `side`.
  private func writeModel(side: Int, classes: Int) throws {
    let model = try Architecture.book(height: side, width: side, classes: classes)
    try folder.write(Data(KerasConfiguration.encode(model).utf8), to: "model.json")
  }

  private func digest(_ command: Command) throws -> String {
    let line = command.lines.first { $0.hasPrefix("digest ") }
    return try #require(line?.split(separator: " ").last.map(String.init), "\(command.errors)")
  }

  @Test func fourKindsOfDrawnPicturesAreLearnt() throws {
    let sample = try Command("sample", "data", "--kinds", "4", in: folder)
    #expect(sample.status == 0 && sample.lines.count == 12, "\(sample.errors)")
    try writeModel(side: 64, classes: 4)
    let run = try Command(
      "train", "data", "--model", "model.json", "--epochs", "10", "--run", "run", in: folder)
    #expect(run.status == 0, "\(run.errors)")
    let line = try #require(run.lines.first { $0.hasPrefix("epoch 10/10") })
    let words = line.split(separator: " ")
    let accuracy = try #require(words.firstIndex(of: "val_acc").flatMap { Double(words[$0 + 1]) })
    #expect(accuracy >= 0.9, "\(line)")
    #expect(
      String(decoding: try folder.contents("run/classes.txt"), as: UTF8.self)
        == "birds\ncats\ndogs\nfish\n")
    #expect(
      try ModelFile(reading: folder.file("run/model.h5")).classes == [
        "birds", "cats", "dogs", "fish",
      ])
    let evaluation = try Command("evaluate", "run", "data/test", in: folder)
    #expect(
      evaluation.lines.dropFirst(2).prefix(4).map { $0.prefix(5) } == [
        "birds", "cats ", "dogs ", "fish ",
      ])
    let predicted = try Command("predict", "run", "data/test/fish", "--csv", in: folder)
    #expect(predicted.lines.count { $0.contains(",fish,0.") || $0.contains(",fish,1.0") } > 120)
  }

  @Test func aHundredClassesOfThreePictures() throws {
    try DrawnPictures.write(to: folder.file("drawn"), train: 20, validation: 2, test: 0)
    for number in 0..<100 {
      let kind = number % 2 == 0 ? "cat" : "dog"
      for picture in 0..<3 {
        let name = "drawn/train/\(kind)s/\(kind).\((number + picture) % 20).jpg"
        try folder.write(folder.contents(name), to: "data/train/class \(number)/\(picture).jpg")
      }
      try folder.write(
        folder.contents("drawn/validation/\(kind)s/\(kind).20.jpg"),
        to: "data/validation/class \(number)/0.jpg")
    }
    // The network is that of the book, with a unit for each class.
    let options = [
      "--epochs", "1", "--steps-per-epoch", "4", "--batch-size", "5", "--batches-per-update", "2",
      "--validation-steps", "2",
    ]
    let run = try Command(["train", "data", "--run", "run"] + options, in: folder)
    #expect(run.status == 0, "\(run.errors)")
    #expect(run.errors.contains("... 100 classes, together 300+100"))
    let two = try Command(
      ["train", "data", "--run", "two", "--workers", "2", "--threads", "1"] + options, in: folder)
    #expect(try digest(two) == digest(run))
    // The line of the epoch has what evaluate counts, whoever computed it.
    let rows = try ["run", "two"].map { name in
      try #require(try History(reading: folder.file("\(name)/history.csv")).records.first)
    }
    let share = try #require(rows[0].validationTopFive)
    #expect(share >= rows[0].validationAccuracy && rows[1].validationTopFive == share)
    let shown = String(format: "val_top5 %.4f", share)
    #expect(run.output.contains(shown), "\(run.output)")
    let model = try ModelFile(reading: folder.file("run/model.h5"))
    let head = try #require(model.architecture.layers.last?.layer)
    #expect(head == .dense(units: 100, activation: .softmax))
    #expect(model.classes?.count == 100)
    let evaluation = try Command("evaluate", "run", "data/validation", "--worst", "0", in: folder)
    #expect(evaluation.lines.count == 102)
    let words = try #require(evaluation.lines.first).split(separator: " ")
    #expect(words[4] == "top-5" && words.suffix(2) == ["pictures", "100"])
    #expect(try #require(Double(words[5])) >= #require(Double(words[3])))
    let page = try Command("evaluate", "run", "data/validation", "--html", "page.html", in: folder)
    #expect(page.status == 0, "\(page.errors)")

    // Other names are not matched by their order.
    try FileManager.default.moveItem(
      atPath: folder.file("data/validation/class 7"), toPath: folder.file("data/validation/other"))
    let refused = try Command("evaluate", "run", "data/validation", in: folder)
    #expect(refused.status == 1 && refused.errorLines.count == 2 && refused.output.isEmpty)
    #expect(refused.errors.contains("and 95 more (other is not among them)"))
    let unlike = try Command("train", "data", in: folder)
    #expect(unlike.status == 1 && unlike.errorLines.count == 1)
    #expect(unlike.errors.contains("only one of them has class 7"))
  }

  @Test func classesThatAreRefused() throws {
    try DrawnPictures.write(to: folder.file("data"), train: 2, validation: 1, test: 0)
    let picture = try folder.contents("data/train/cats/cat.0.jpg")
    try folder.write(picture, to: "data/train/a\tb/0.jpg")
    let tab = try Command("train", "data", in: folder)
    #expect(tab.status == 1 && tab.errorLines.count == 1)
    #expect(tab.errors.contains(#"data/train/a\tb: a class's name must be text in UTF-8 "#))
    try FileManager.default.removeItem(atPath: folder.file("data/train/a\tb"))
    // A model for another number of classes.
    try writeModel(side: 64, classes: 3)
    let other = try Command("train", "data", "--model", "model.json", in: folder)
    #expect(other.status == 1 && other.errorLines.count == 1)
    #expect(other.errors.contains("2 classes (cats, dogs): there must be 3 subfolders"))
    for kinds in ["1", "5"] {
      let sample = try Command("sample", "more", "--kinds", kinds, in: folder)
      #expect(sample.status == 2 && sample.errorLines.count == 1)
      #expect(sample.errors.contains("--kinds must be from 2 to 4"))
    }
  }

  @Test func anyFolderIsSplit() throws {
    try DrawnPictures.write(to: folder.file("drawn"), train: 10, validation: 1, test: 0)
    let split = try Command("prepare", "folder", "drawn/train", "data", in: folder)
    #expect(
      split.lines == [
        "cats: 6 training, 2 validation, 2 test", "dogs: 6 training, 2 validation, 2 test",
      ])
    let other = try Command(
      "prepare", "folder", "drawn/train", "more", "--split", "50,30,20", "--seed", "3", in: folder)
    #expect(other.lines[0] == "cats: 5 training, 3 validation, 2 test")
    let again = try Command("prepare", "folder", "drawn/train", "data", in: folder)
    #expect(again.status == 1 && again.errors.contains("data: not empty"))
    let wrong = try Command(
      "prepare", "folder", "drawn/train", "x", "--split", "50,30,30", in: folder)
    #expect(wrong.status == 2 && wrong.errorLines.count == 1)
    #expect(wrong.errors.contains("three whole numbers that make 100"))
  }
}
