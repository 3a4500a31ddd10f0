import Foundation
import KerasFiles
import Pictures
import Primitives
import Runs
import Testing
import Training

/// Runs on augmented pictures: the weights are as exact as on others.
@Suite struct AugmentedRunTests {
  private static let settings: Augmentation = {
    var settings = Augmentation.book
    settings.verticalFlip = true
    settings.brightness = .around(0.3)
    settings.fillMode = .reflect
    return settings
  }()

  /// Seven batches a pass: epochs begin in the middle of one, and have pictures of two.
  private static func run(
    _ change: (inout Hyperparameters) -> Void = { _ in }
  ) throws -> TinyRun {
    try TinyRun {
      $0.augmentation = settings
      $0.batchesPerUpdate = 2
      change(&$0)
    }
  }

  @Test func `Workers that come and go leave the weights as one process makes them`() throws {
    let run = try Self.run()
    let alone = try run.alone(try run.makeFolder("alone"), threads: 2)
    #expect(alone == (try run.alone(try run.makeFolder("again"), threads: 1)))
    let probe = try Probe(
      run.job.architecture, run.job.hyperparameters, threads: 1, kernels: .baseline)
    var options = CoordinatorHost.Options(kernels: .baseline)
    options.probe = probe
    let three = try run.crew(run.makeFolder("three"), minimum: 3, first: 3, options: options)
    #expect(three == alone)
    var storm = Storm()
    let stormy = try run.crew(run.makeFolder("stormy"), minimum: 2, first: 2) { report, crew in
      storm.rage(report, crew)
    }
    #expect(stormy == alone)
  }

  @Test(arguments: [1, 4, 7])
  func `An interrupted run goes on in the middle of an epoch`(after progress: Int) throws {
    let run = try Self.run()
    let whole = try run.alone(try run.makeFolder("whole"))
    #expect(try run.interrupted(try run.makeFolder("part"), after: progress) == whole)
  }

  @Test func `The weights depend on each setting and on the seed`() throws {
    func digest(_ change: (inout Hyperparameters) -> Void) throws -> Digest {
      let run = try Self.run {
        $0.epochs = 1
        change(&$0)
      }
      return try run.alone(try run.makeFolder("run")).digest
    }
    let digests: [Digest] = try [
      digest { _ in }, digest { $0.seed = 2 }, digest { $0.augmentation.rotation = 39 },
      digest { $0.augmentation.widthShift = 0.1 }, digest { $0.augmentation.heightShift = 0.1 },
      digest { $0.augmentation.shear = 20 }, digest { $0.augmentation.zoom = .between(1, 1) },
      digest { $0.augmentation.horizontalFlip = false },
      digest { $0.augmentation.verticalFlip = false },
      digest { $0.augmentation.brightness = .around(0) },
      digest { $0.augmentation.fillMode = .wrap }, digest { $0.augmentation = Augmentation() },
    ]
    #expect(Set(digests).count == digests.count)
  }

  /// The probe's pictures are changed too: a worker that warps otherwise is found as it joins.
  @Test func `A probe is of augmented pictures`() throws {
    let (plain, augmented) = (try Self.run { $0.augmentation = Augmentation() }, try Self.run())
    let answers = try [plain, augmented].map { run in
      try Probe(run.job.architecture, run.job.hyperparameters, threads: 1, kernels: .baseline)
        .answer
    }
    #expect(answers[0].pictures != answers[1].pictures)
    #expect(answers[0].gradient != answers[1].gradient)
  }
}
