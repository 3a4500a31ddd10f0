import Engine
import Foundation
import KerasFiles
import Pictures
import Runs
import TestSupport
import Testing

/// How runs are named, interrupted, and gone on with.
@Suite(.serialized) struct ResumeCommandTests {
  let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
    try DrawnPictures.write(
      to: folder.path + "/data", train: 20, validation: 7, test: 1, seed: 4)
    let architecture = try Architecture(
      input: Shape(height: 20, width: 22, channels: 3),
      layers: [
        (nil, .convolution(Convolution(filters: 16))), (nil, .maxPooling(size: 2)),
        (nil, .flatten), (nil, .dense(units: 1, activation: .sigmoid)),
      ])
    try folder.write(Data(KerasConfiguration.encode(architecture).utf8), to: "model.json")
  }

  private static let options = [
    "--model", "model.json", "--steps-per-epoch", "20", "--batch-size", "6", "--seed", "7",
    "--batches-per-update", "2",
  ]

  private func digest(_ command: Command) throws -> String {
    let line = command.lines.first { $0.hasPrefix("digest ") }
    return try #require(line?.split(separator: " ").last.map(String.init), "\(command.errors)")
  }

  /// Starts a run and interrupts it once its first checkpoint is there.
  private func interrupted(_ run: String, _ arguments: [String]) throws -> Command {
    let process = try Command.start(
      ["train", "data", "--run=\(run)", "--epochs", "40"] + Self.options + arguments, in: folder)
    let limit = Date().addingTimeInterval(60)
    while !FileManager.default.fileExists(atPath: "\(folder.path)/\(run)/checkpoint.h5") {
      try #require(Date() < limit && process.isRunning, "no checkpoint, or not within a minute")
      usleep(1000)
    }
    kill(process.processIdentifier, SIGINT)
    return try Command(waitingFor: process)
  }

  private func shell(_ line: String, in place: String) throws -> Command {
    let shell = Process()
    shell.executableURL = URL(fileURLWithPath: "/bin/sh")
    shell.arguments = ["-c", line]
    shell.currentDirectoryURL = URL(fileURLWithPath: place)
    (shell.standardOutput, shell.standardError) = (Pipe(), Pipe())
    try shell.run()
    return try Command(waitingFor: shell)
  }

  @Test(arguments: [
    ("-run", []), ("a run of 'mine'", ["--workers", "2", "--verify", "0.25"]),
  ])
  func `The last line of an interrupted run goes on with it`(
    run: String, arguments: [String]
  ) throws {
    let whole = try Command(
      ["train", "data", "--run", "whole", "--epochs", "40"] + Self.options, in: folder)
    let part = try interrupted(run, arguments)
    #expect(part.status == 130, "\(part.errors)")
    let line = try #require(part.errorLines.last)
    #expect(line.hasPrefix("go on with: "))
    let rest = try shell(String(line.dropFirst("go on with: ".count)), in: folder.path)
    #expect(rest.status == 0, "\(rest.errors)")
    #expect(try digest(rest) == digest(whole))
    let verified = arguments.contains("--verify")
    #expect(line.contains("--workers 2 --verify 0.25") == verified, "\(line)")
  }

  @Test func `A run is gone on with from another folder, without its data folder's name`() throws {
    #expect(try interrupted("run", []).status == 130)
    try FileManager.default.createDirectory(
      atPath: folder.path + "/elsewhere", withIntermediateDirectories: false)
    let program = Bundle.main.bundleURL.appendingPathComponent("dogsled").path
    let line = "'\(program)' train --resume ../run"
    #expect(try shell(line, in: folder.path + "/elsewhere").status == 0)
    // Moved data are named as missing, and found where the command says.
    try FileManager.default.moveItem(
      atPath: folder.path + "/data", toPath: folder.path + "/moved")
    let lost = try Command("train", "--resume", "run", in: folder)
    #expect(lost.status == 1)
    #expect(lost.errorLines.last?.contains("no such folder, where run had") == true)
    #expect(try Command("train", "moved", "--resume", "run", in: folder).status == 0)
    let nameless = try Command("train", in: folder)
    #expect(nameless.status == 2)
    #expect(nameless.errorLines.last?.contains("name the data set's folder") == true)
  }

  @Test func `What has changed since the run began is named`() throws {
    #expect(try interrupted("run", []).status == 130)
    func refusal(_ arguments: [String]) throws -> String {
      let result = try Command(["train", "data", "--resume", "run"] + arguments, in: folder)
      #expect(result.status == 1, "\(result.errors)")
      return result.errorLines.last ?? ""
    }
    let options = try refusal(["--rho", "0.5", "--learning-rate", "0.5"])
    #expect(
      options.contains("started with --learning-rate 0.0001 (not 0.5), --rho 0.9 (not 0.5)"),
      "\(options)")
    let other = [
      "interpolation": "area", "decode": "fast", "rho": "0.5", "width-shift": "0.5",
      "height-shift": "0.5", "zoom": "0.5", "brightness": "0.5,1.5", "fill-mode": "wrap",
      "horizontal-flip": "true", "vertical-flip": "true", "keep-aspect": "true",
      "optimizer": "sgd", "nesterov": "true",
      "centered": "true", "class-weights": "balanced", "schedule": "cosine",
      "scale-rate": "sqrt", "decay-factor": "0.25", "best": "accuracy",
    ]
    // A run may get another number of epochs.
    let entries = Hyperparameters.table.filter { $0.help != nil && $0.name != "epochs" }
    let flags = HyperparameterOptionTests.flags
    let all = try refusal(
      entries.flatMap {
        flags.contains($0.name)
          ? ["--\($0.name)"] : ["--\($0.name)", other[$0.name] ?? "3"]
      })
    for entry in entries {
      let said = try #require(all.firstRange(of: "--\(entry.name) "), "\(entry.name): \(all)")
      #expect(all[said.upperBound...].contains("(not \(other[entry.name] ?? "3")"))
    }
    let train = folder.path + "/data/train"
    for name in ["0", "1", "2", "3"] {
      try FileManager.default.removeItem(atPath: "\(train)/cats/cat.\(name).jpg")
    }
    try FileManager.default.moveItem(
      atPath: "\(train)/dogs/dog.0.jpg", toPath: "\(train)/dogs/new.jpg")
    let files = try refusal([])
    let counts = "of 54 files 0 changed, 5 missing, 1 new: train/cats/cat.0.jpg is missing"
    #expect(files.contains(counts), "\(files)")
    #expect(files.contains("and 3 more"), "\(files)")
    // A folder of a version that did not write this file is refused as before.
    try FileManager.default.removeItem(atPath: folder.path + "/run/pictures.json")
    #expect(try refusal([]).contains("not the pictures that the run in run was started with"))
  }

  /// No file of the run takes the number of a closed stream.
  @Test func `A run without standard streams writes nothing into its files`() throws {
    let program = Bundle.main.bundleURL.appendingPathComponent("dogsled").path
    let options = (["--run", "run", "--epochs", "2"] + Self.options).joined(separator: " ")
    let run = try shell("'\(program)' train data \(options) <&- >&- 2>&-", in: folder.path)
    #expect(run.status == 0)
    let events = try String(contentsOfFile: folder.path + "/run/events.jsonl", encoding: .utf8)
    #expect(events.split(separator: "\n").allSatisfy { $0.hasPrefix("{") }, "\(events)")
    #expect(events.contains(#""kind":"finished""#))
  }

  /// What the system would end the program for is one clear line.
  @Test func `A limit of file sizes is named`() throws {
    let program = Bundle.main.bundleURL.appendingPathComponent("dogsled").path
    let options = (["--run", "run", "--epochs", "2"] + Self.options).joined(separator: " ")
    let run = try shell(
      "ulimit -f 4; exec '\(program)' train data \(options)", in: folder.path)
    #expect(run.status == 128, "\(run.errors)")
    #expect(run.errorLines.last?.contains("File too large") == true, "\(run.errors)")
  }

  @Test func `Runs that begin in the same second have folders of their own`() throws {
    let runs = try (0..<4).map { _ in
      try Command.start(["train", "data", "--epochs", "1"] + Self.options, in: folder)
    }
    let results = try runs.map { try Command(waitingFor: $0) }
    for result in results { #expect(result.status == 0, "\(result.errors)") }
    let folders = Set(results.compactMap { $0.lines.first { $0.hasPrefix("run folder") } })
    #expect(folders.count == 4)
  }
}
