import Coordination
import Engine
import Foundation
import KerasFiles
import Primitives
import Runs
import TestSupport
import Testing
import Training

/// The best epoch of a run is the same one whatever happened to the run.
@Suite struct BestEpochTests {
  /// The rate is so large that the last epoch is not the best.
  private static func run(
    _ measure: BestMeasure = .loss, _ change: (inout Hyperparameters) -> Void = { _ in }
  ) throws -> TinyRun {
    try TinyRun(units: 16) {
      ($0.learningRate, $0.epochs, $0.batchesPerUpdate, $0.best) = (0.02, 9, 2, measure)
      change(&$0)
    }
  }

  /// What is in the folder, and what its history says.
  private func best(_ folder: RunFolder, _ measure: BestMeasure = .loss) throws -> BestEpoch {
    let path = folder.path + "/best.h5"
    let file = try ModelFile(reading: path, asCheckpoint: true)
    let best = try #require(file.best)
    #expect(best.digest == file.state.digest && file.classes == ["cats", "dogs"])
    #expect(folder.best == best)
    let records = folder.history.records
    let record =
      measure == .loss
      ? records.min { $0.validationLoss < $1.validationLoss }
      : records.reduce(nil) { best, record in
        best.map { $0.validationAccuracy >= record.validationAccuracy } ?? false ? best : record
      }
    #expect(record?.epoch == best.epoch)
    #expect(record?.validationLoss == best.validationLoss)
    #expect(record?.validationAccuracy == best.validationAccuracy)
    let names = try FileManager.default.contentsOfDirectory(atPath: folder.path)
    #expect(names.count { $0.hasPrefix("best") } == 1)
    return best
  }

  @Test(arguments: BestMeasure.allCases)
  func `It is what a run of so many epochs comes to`(_ measure: BestMeasure) throws {
    let run = try Self.run(measure)
    let folder = try run.makeFolder("run")
    #expect(try run.alone(folder).ending == .finished)
    let best = try best(folder, measure)
    #expect(best.epoch < 9, "the last epoch is the best: this run shows nothing")
    let short = try Self.run(measure) { $0.epochs = best.epoch }
    #expect(try short.alone(short.makeFolder("short")).digest == best.digest)
    let events = try String(contentsOfFile: folder.eventsPath, encoding: .utf8)
    #expect(events.contains(#"{"digest":"\#(best.digest)","epoch":\#(best.epoch),"kind":"best""#))
  }

  @Test func `Workers that come and go leave the same one`() throws {
    let run = try Self.run()
    let alone = try run.makeFolder("alone")
    let digest = try run.alone(alone).digest
    let stormy = try run.makeFolder("stormy")
    var storm = Storm()
    let result = try run.crew(stormy, minimum: 2, first: 2) { storm.rage($0, $1) }
    #expect(result.digest == digest)
    #expect(try best(stormy) == best(alone))
  }

  @Test(arguments: [2, 9, 14, 23, 31, 40])
  func `A run that goes on leaves the same one`(after progress: Int) throws {
    let run = try Self.run()
    let whole = try run.makeFolder("whole")
    _ = try run.alone(whole)
    let part = try run.makeFolder("part")
    let result = try run.interrupted(part, after: progress)
    #expect(result.ending == .finished)
    #expect(try best(part) == best(whole))
  }

  @Test func `A disk that is full ends the run, which goes on to the same one`() throws {
    let run = try Self.run()
    let whole = try run.makeFolder("whole")
    _ = try run.alone(whole)
    let folder = try run.makeFolder("part")
    // Something that no file can replace.
    let place = folder.path + "/best.h5.partial"
    try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: false)
    let part = try run.alone(folder)
    #expect(part.ending != .finished && part.ending != .interrupted)
    #expect(folder.history.records.isEmpty && folder.best == nil)
    try FileManager.default.removeItem(atPath: place)
    #expect(try run.alone(folder).ending == .finished)
    #expect(try best(folder) == best(whole))
  }
}
