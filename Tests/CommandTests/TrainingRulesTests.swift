import Engine
import Foundation
import KerasFiles
import Pictures
import TestSupport
import Testing

/// What `train` does with numbers that are none, and what it calls its workers.
@Suite(.serialized) struct TrainingRulesTests {
  private let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
    try DrawnPictures.write(
      to: folder.path + "/data", train: 20, validation: 7, test: 1, seed: 4)
    let architecture = try Architecture(
      input: Shape(height: 24, width: 24, channels: 3),
      layers: [
        (nil, .convolution(Convolution(filters: 8))), (nil, .maxPooling(size: 2)),
        (nil, .flatten), (nil, .dense(units: 8, activation: .relu)),
        (nil, .dense(units: 1, activation: .sigmoid)),
      ])
    try folder.write(Data(KerasConfiguration.encode(architecture).utf8), to: "model.json")
  }

  private func train(_ arguments: [String]) throws -> Command {
    try Command(
      ["train", "data", "--model", "model.json", "--epochs", "2", "--steps-per-epoch", "8"]
        + ["--batch-size", "6", "--run", "run"] + arguments, in: folder)
  }

  @Test(arguments: ["1e11", "1e15", "1e30"], [[], ["--workers", "2"]])
  func aRunWhoseWeightsAreNoNumbersFails(_ rate: String, _ workers: [String]) throws {
    let run = try train(workers + ["--learning-rate", rate])
    #expect(run.status == 1, "\(run.errors)")
    #expect(run.errorLines.last?.contains("choose a smaller --learning-rate") == true)
    #expect(!FileManager.default.fileExists(atPath: "\(folder.path)/run/model.h5"))
    let events = try String(contentsOfFile: "\(folder.path)/run/events.jsonl", encoding: .utf8)
    #expect(!events.contains(#""kind":"lost""#), "\(events)")
    let checkpoint = "\(folder.path)/run/checkpoint.h5"
    if FileManager.default.fileExists(atPath: checkpoint) {
      #expect(try ModelFile(reading: checkpoint).isFinite)
    }
  }

  @Test(arguments: [false, true])
  func aCheckpointWithoutNumbersIsNotGoneOnFrom(_ isInSlot: Bool) throws {
    #expect(try train([]).status == 0)
    let path = "\(folder.path)/run/checkpoint.h5"
    let file = try ModelFile(reading: path)
    let buffer = isInSlot ? try #require(file.state.slots.first) : file.state.weights
    buffer.floats[3] = isInSlot ? .infinity : .nan
    try file.write(to: path)
    let resumed = try Command("train", "data", "--resume", "run", in: folder)
    #expect(resumed.status == 1)
    #expect(
      resumed.errorLines.last?.contains("its checkpoint holds weights that are not finite")
        == true, "\(resumed.errors)")
  }

  /// In its log, in the events and in what the coordinator says.
  @Test func aLocalWorkerHasItsLaunchersNumber() throws {
    let run = try train(["--workers", "4", "--batches-per-update", "4"])
    #expect(run.status == 0, "\(run.errors)")
    let events = try String(contentsOfFile: "\(folder.path)/run/events.jsonl", encoding: .utf8)
    for number in 1...4 {
      let log = try String(
        contentsOfFile: "\(folder.path)/run/worker-\(number).log", encoding: .utf8)
      #expect(log.contains("welcome as worker \(number)\n"), "\(log)")
      let joined = run.errorLines.count { $0.hasPrefix("worker \(number) (") }
      #expect(joined == 1, "\(run.errors)")
      let lines = events.split(separator: "\n").filter { $0.contains(#""kind":"joined""#) }
      #expect(lines.count { $0.contains("\"worker\":\(number)}") } == 1, "\(lines)")
    }
  }
}
