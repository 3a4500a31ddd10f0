import Engine
import Foundation
import KerasFiles
import Primitives
import Runs
import Testing
import Training

@Suite struct WholeRunTests {
  @Test func `A small model learns, and the run folder holds what came of it`() throws {
    let run = try TinyRun { $0.stepsPerEpoch = 40 }
    let folder = try run.makeFolder("run")
    var epochs: [EpochRecord] = []
    let (ending, digest) = try run.alone(folder) { report in
      if case .epoch(let record) = report { epochs.append(record) }
    }
    #expect(ending == .finished)
    #expect(epochs.map(\.epoch) == [1, 2, 3])
    #expect(folder.history.records == epochs)
    #expect(epochs[2].loss < epochs[0].loss)
    #expect(epochs[2].validationAccuracy >= 0.9)
    let model = try ModelFile(reading: folder.modelPath)
    #expect(model.state.digest == digest)
    #expect(model.state.updates == 120)
    #expect(model.classes == ["cats", "dogs"])
    let events = try String(contentsOfFile: folder.eventsPath, encoding: .utf8)
    #expect(events.contains("\"kind\":\"joined\""))
    #expect(events.contains(digest.description))
  }

  @Test(arguments: [1, 3])
  func `Workers that come and go leave the weights as one process makes them`(
    perUpdate: Int
  ) throws {
    let run = try TinyRun { $0.batchesPerUpdate = perUpdate }
    let alone = try run.alone(try run.makeFolder("alone"), threads: 2)
    let three = try run.crew(run.makeFolder("three"), minimum: 3, first: 3)
    #expect(three == alone)
    var storm = Storm()
    let stormy = try run.crew(run.makeFolder("stormy"), minimum: 2, first: 2) { report, crew in
      storm.rage(report, crew)
    }
    #expect(stormy == alone)
    let records = try ["alone", "three", "stormy"].map {
      try History(reading: run.folder.file("\($0)/history.csv")).records.map {
        [$0.loss, $0.accuracy, $0.validationLoss, $0.validationAccuracy]
      }
    }
    #expect(records[0] == records[1])
    #expect(records[0] == records[2])
  }

  @Test func `The weights depend on the seed and on the batches of an update`() throws {
    var digests = Set<Digest>()
    for (seed, perUpdate) in [(1, 1), (2, 1), (1, 2)] {
      let run = try TinyRun {
        $0.epochs = 1
        $0.seed = UInt64(seed)
        $0.batchesPerUpdate = perUpdate
      }
      digests.insert(try run.alone(try run.makeFolder("run")).digest)
    }
    #expect(digests.count == 3)
  }

  @Test(arguments: [1, 4, 7])
  func `An interrupted run goes on from its checkpoint to the same weights`(
    after progress: Int
  ) throws {
    let run = try TinyRun { $0.batchesPerUpdate = 2 }
    let whole = try run.alone(try run.makeFolder("whole"))
    let folder = try run.makeFolder("part")
    let rest = try run.interrupted(folder, after: progress) { checkpoint, digest in
      #expect(checkpoint.state.digest == digest)
    }
    #expect(rest == whole)
    let history = try History(reading: run.folder.file("whole/history.csv"))
    #expect(folder.history.records.map(\.loss) == history.records.map(\.loss))
  }

  /// Steps of an epoch are five: the last two interruptions come in its validation.
  @Test(arguments: [2, 5, 6])
  func `An epoch's times go on where the run was interrupted`(after progress: Int) throws {
    let run = try TinyRun {
      $0.stepsPerEpoch = 5
      $0.epochs = 1
    }
    let folder = try run.makeFolder("part")
    let mailbox = Mailbox<CoordinatorInput>()
    var reports = 0
    let part = try run.alone(folder, mailbox: mailbox) { report in
      guard case .progress = report else { return }
      reports += 1
      if reports == progress { mailbox.put(.interrupted) }
    }
    #expect(part.ending == .interrupted)
    var checkpoint = try ModelFile(reading: folder.checkpointPath)
    let position = try #require(checkpoint.position)
    #expect(try #require(position.seconds) > 0)
    checkpoint.position?.seconds = 1000
    checkpoint.position?.trainingSeconds = 500
    #expect(try run.alone(folder, checkpoint: checkpoint).ending == .finished)
    let record = try #require(folder.history.records.first)
    #expect(record.seconds >= 1000)
    #expect(record.picturesPerSecond > 0)
    #expect(record.picturesPerSecond <= Double(5 * run.job.hyperparameters.batchSize) / 500)
  }

  @Test func `A worker with other files names the first that differs`() throws {
    let run = try TinyRun()
    let path = run.data + "/train/dogs/12.jpg"
    try Data([1, 2, 3]).write(to: URL(fileURLWithPath: path))
    var refusals: [String] = []
    let result = try run.crew(run.makeFolder("run"), minimum: 1, first: 1) { report, crew in
      guard case .note(.refused(_, let reason)) = report else { return }
      refusals.append(reason)
      crew.coordinator.put(.interrupted)
    }
    #expect(result.ending == .interrupted)
    #expect(refusals.count == 1)
    #expect(refusals.first?.contains("train/dogs/12.jpg differs") == true)
  }
}
