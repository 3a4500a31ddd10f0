import Engine
import KerasFiles
import Primitives
import Runs
import TestSupport
import Testing
import Training

/// Runs whose learning rate changes: workers make each update with the coordinator's.
@Suite struct ScheduledRunTests {
  private static func run(
    _ change: (inout Hyperparameters) -> Void = { _ in }
  ) throws -> TinyRun {
    try TinyRun(units: 16) {
      $0.choose(OptimizerName(Adam.self))
      $0.augmentation = .book
      $0.dropout = 0.4
      $0.rateSchedule = .cosine
      $0.warmUp = 1
      $0.rateScaling = .sqrt
      $0.batchesPerUpdate = 2
      change(&$0)
    }
  }

  /// The rate is so large that validation stalls: the rate falls, and soon the run ends.
  private static func stalling() throws -> TinyRun {
    try run {
      ($0.rateSchedule, $0.decayEpochs, $0.warmUp) = (.plateau, 1, 0)
      ($0.learningRate, $0.epochs, $0.earlyStopping) = (0.3, 12, 3)
    }
  }

  @Test(arguments: [WeightsForm.whole, .update])
  func `Workers that come and go leave the weights as one process makes them`(
    _ form: WeightsForm
  ) throws {
    for run in [try Self.run(), try Self.stalling()] {
      let alone = try run.alone(try run.makeFolder("alone-\(form)"), threads: 2)
      #expect(alone.ending == .finished)
      var options = CoordinatorHost.Options(kernels: .baseline)
      options.weights = form
      var storm = Storm()
      let stormy = try run.crew(
        run.makeFolder("stormy-\(form)"), minimum: 2, first: 2, options: options
      ) { report, crew in storm.rage(report, crew) }
      #expect(stormy == alone)
    }
  }

  @Test func `A run that stalls reduces its rate and ends early`() throws {
    let run = try Self.stalling()
    let folder = try run.makeFolder("run")
    let whole = try run.alone(folder)
    #expect(whole.ending == .finished)
    let epochs = folder.history.records.count
    #expect(epochs < 12)
    let checkpoint = try ModelFile(reading: folder.checkpointPath)
    let progress = try #require(checkpoint.position?.progress)
    #expect(progress.isOver && progress.reductions >= 1)
    #expect(checkpoint.position?.epochs == epochs)
    // It has nothing to go on with.
    #expect(try run.alone(folder, checkpoint: checkpoint) == whole)
    #expect(folder.history.records.count == epochs)
  }

  @Test(arguments: [2, 9, 17])
  func `An interrupted run goes on with its rate`(after progress: Int) throws {
    for run in [try Self.run(), try Self.stalling()] {
      let whole = try run.alone(try run.makeFolder("whole"))
      #expect(try run.interrupted(try run.makeFolder("part"), after: progress) == whole)
    }
  }

  @Test func `The weights depend on each setting`() throws {
    func digest(_ change: (inout Hyperparameters) -> Void) throws -> Digest {
      let run = try Self.run(change)
      return try run.alone(try run.makeFolder("run")).digest
    }
    let digests: [Digest] = try [
      digest { _ in }, digest { $0.rateSchedule = .constant }, digest { $0.warmUp = 0 },
      digest { $0.rateScaling = .none }, digest { $0.rateScaling = .linear },
      digest { ($0.rateSchedule, $0.decayEpochs) = (.step, 1) },
      digest { ($0.rateSchedule, $0.decayEpochs, $0.decayFactor) = (.step, 1, 0.25) },
      digest { ($0.rateSchedule, $0.decayEpochs) = (.step, 2) },
    ]
    #expect(Set(digests).count == digests.count)
  }
}
