import Engine
import Foundation
import KerasFiles
import Pictures
import Runs
import TestSupport
import Testing

/// The best epoch, and runs that get another number of epochs, as commands.
@Suite(.serialized) struct BestCommandTests {
  let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
    try DrawnPictures.write(
      to: folder.path + "/data", train: 20, validation: 7, test: 3, seed: 4)
    let architecture = try Architecture(
      input: Shape(height: 20, width: 22, channels: 3),
      layers: [
        (nil, .convolution(Convolution(filters: 16))), (nil, .maxPooling(size: 2)),
        (nil, .flatten), (nil, .dense(units: 1, activation: .sigmoid)),
      ])
    try folder.write(Data(KerasConfiguration.encode(architecture).utf8), to: "model.json")
  }

  private static let options = [
    "--model", "model.json", "--steps-per-epoch", "10", "--batch-size", "6", "--seed", "7",
    "--batches-per-update", "2", "--learning-rate", "3e-3",
  ]

  private func train(_ run: String, _ arguments: [String]) throws -> Command {
    try Command(["train", "data", "--run", run] + Self.options + arguments, in: folder)
  }

  private func resume(_ run: String, _ arguments: [String]) throws -> Command {
    try Command(["train", "--resume", run] + arguments, in: folder)
  }

  private func line(_ name: String, _ command: Command) throws -> String {
    let line = command.lines.first { $0.hasPrefix(name + " ") }
    return String(try #require(line, "\(command.output)\(command.errors)"))
  }

  private func history(_ run: String) throws -> [String] {
    try String(contentsOfFile: "\(folder.path)/\(run)/history.csv", encoding: .utf8)
      .split(separator: "\n").map { $0.split(separator: ",").prefix(5).joined(separator: ",") }
  }

  @Test func `The last lines name it, and evaluate and predict take it`() throws {
    let run = try train(
      "run",
      [
        "--epochs", "14", "--best", "accuracy", "--weight-decay", "0.01", "--label-smoothing",
        "0.1",
      ])
    #expect(run.status == 0, "\(run.errors)")
    let best = try #require(try ModelFile(reading: folder.file("run/best.h5")).best)
    let figures = String(
      format: "val_loss %.4f, val_acc %.4f", best.validationLoss, best.validationAccuracy)
    #expect(
      try line("best", run)
        == "best        best.h5 of epoch \(best.epoch), \(figures), digest \(best.digest)")
    #expect(try line("files", run).contains(" best.h5"))
    let json = String(decoding: try folder.contents("run/run.json"), as: UTF8.self)
    #expect(json.contains(#""best" : "accuracy""#))
    // The whole validation set is what the epoch was judged by.
    let evaluation = try Command(
      "evaluate", "run", "data/validation", "--worst", "0", in: folder)
    #expect(evaluation.errors.contains("using run/best.h5, of epoch \(best.epoch)"))
    // The loss is what training showed, and what Keras's evaluate gives.
    #expect(
      evaluation.errors.contains(
        "the loss is that of Keras's evaluate, with the weights' decay and label smoothing of 0.1"))
    let words = try #require(evaluation.lines.first).split(separator: " ")
    #expect(abs((Double(words[1]) ?? 0) - best.validationLoss) < 1e-5, "\(words)")
    #expect(Double(words[3]).map { abs($0 - best.validationAccuracy) < 1e-5 } == true)
    let plot = try Command("plot", "run", in: folder)
    #expect(plot.errors.contains("run: best.h5 is of epoch \(best.epoch)"), "\(plot.errors)")
  }

  /// Whatever moment the process is killed at, what is there is whole, and the run goes on to the
  /// same files.
  @Test(arguments: [[], ["--workers", "2"]])
  func `A run that is killed again and again keeps a whole one`(_ workers: [String]) throws {
    let whole = try train("whole", ["--epochs", "60"])
    var process = try Command.start(
      ["train", "data", "--run", "part", "--epochs", "60"] + Self.options + workers, in: folder)
    for kill in 0..<6 {
      let rows = (try? history("part").count) ?? 0
      let limit = Date().addingTimeInterval(60)
      while process.isRunning, ((try? history("part").count) ?? 0) < rows + 3, Date() < limit {
        usleep(500)
      }
      usleep(UInt32(kill) * 3000)
      Foundation.kill(process.processIdentifier, SIGKILL)
      _ = try Command(waitingFor: process)
      let path = folder.file("part/best.h5")
      if FileManager.default.fileExists(atPath: path) {
        let file = try ModelFile(reading: path, asCheckpoint: true)
        #expect(file.best?.digest == file.state.digest)
      }
      process = try Command.start(["train", "--resume", "part"] + workers, in: folder)
    }
    let rest = try Command(waitingFor: process)
    #expect(rest.status == 0, "\(rest.errors)")
    #expect(try line("digest", rest) == line("digest", whole))
    #expect(try line("best", rest) == line("best", whole))
    #expect(try folder.contents("part/best.h5") == folder.contents("whole/best.h5"))
    #expect(try history("part") == history("whole"))
  }

  @Test func `A best model that is missing is named, and the run goes on`() throws {
    _ = try train("run", ["--epochs", "3"])
    try FileManager.default.removeItem(atPath: folder.file("run/best.h5"))
    let rest = try resume("run", ["--epochs", "5"])
    #expect(rest.status == 0)
    #expect(rest.errors.contains("run/best.h5: not the best model so far"), "\(rest.errors)")
    #expect(
      try line("best", rest).contains("of epoch 4") || line("best", rest).contains("of epoch 5"))
  }

  @Test(arguments: [[], ["--workers", "2"]])
  func `More epochs are as a run of so many from the start`(_ workers: [String]) throws {
    let whole = try train("whole", ["--epochs", "9", "--warm-up", "2"])
    let first = try train("part", ["--epochs", "4", "--warm-up", "2"] + workers)
    #expect(try line("digest", first) != line("digest", whole))
    let rest = try resume("part", ["--epochs", "9"] + workers)
    #expect(rest.status == 0, "\(rest.errors)")
    #expect(try line("digest", rest) == line("digest", whole))
    #expect(try line("best", rest) == line("best", whole))
    #expect(try history("part") == history("whole"))
    // It is a run of nine epochs now.
    #expect(try line("digest", resume("part", [])) == line("digest", whole))
    for (epochs, says) in [("8", "must be at least 9, not 8"), ("0", "--epochs must be from 1")] {
      let fewer = try resume("part", ["--epochs", epochs])
      #expect(fewer.status == 1 && fewer.errorLines.count == 1, "\(fewer.errors)")
      #expect(fewer.errors.contains(says), "\(fewer.errors)")
    }
    #expect(try line("digest", resume("part", [])) == line("digest", whole))
  }

  /// Killed in the middle of the epochs that were added; its newest checkpoint is damaged then, and
  /// the one before is of the shorter run.
  @Test func `A run that became longer is gone on with from any of its checkpoints`() throws {
    let whole = try train("whole", ["--epochs", "7"])
    _ = try train("part", ["--epochs", "5"])
    let place = folder.file("part/")
    try FileManager.default.copyItem(atPath: place + "checkpoint.h5", toPath: place + "kept")
    _ = try resume("part", ["--epochs", "6"])
    #expect(!FileManager.default.fileExists(atPath: place + "best-5.h5"))
    try FileManager.default.removeItem(atPath: place + "checkpoint-previous.h5")
    try FileManager.default.moveItem(
      atPath: place + "kept", toPath: place + "checkpoint-previous.h5")
    try Data("damaged".utf8).write(to: URL(fileURLWithPath: place + "checkpoint.h5"))
    let rest = try resume("part", ["--epochs", "7"])
    #expect(rest.status == 0, "\(rest.errors)")
    #expect(try line("digest", rest) == line("digest", whole))
  }

  @Test func `What depends on the number of epochs forbids another`() throws {
    func refused(_ run: String, _ options: [String], says: String) throws {
      _ = try train(run, options)
      let before = try folder.contents("\(run)/run.json")
      let result = try resume(run, ["--epochs", "9"])
      #expect(result.status == 1 && result.errorLines.count == 1, "\(result.errors)")
      #expect(result.errors.contains(says), "\(result.errors)")
      #expect(try folder.contents("\(run)/run.json") == before)
      #expect(FileManager.default.fileExists(atPath: folder.file("\(run)/model.h5")))
    }
    try refused(
      "cosine", ["--epochs", "3", "--schedule", "cosine"],
      says: "--schedule cosine brings the learning rate to zero at epoch 3")
    // The rate is so large that nothing is learnt.
    try refused(
      "early", ["--epochs", "8", "--early-stopping", "1", "--learning-rate", "0.5"],
      says: "--early-stopping ended this run after epoch")
  }

  @Test func `A run cannot be made shorter than its schedule`() throws {
    let process = try Command.start(
      ["train", "data", "--run", "run", "--epochs", "4000", "--warm-up", "50"] + Self.options,
      in: folder)
    let limit = Date().addingTimeInterval(60)
    while (try? history("run").count) ?? 0 < 3, Date() < limit { usleep(2000) }
    kill(process.processIdentifier, SIGINT)
    #expect(try Command(waitingFor: process).status == 130)
    let short = try resume("run", ["--epochs", "50"])
    #expect(short.status == 1 && short.errorLines.count == 1)
    #expect(short.errors.contains("--warm-up 50 is as long as the run"), "\(short.errors)")
  }
}
