import Coordination
import Engine
import KerasFiles
import Pictures
import Primitives
import Runs
import Training

/// What `bench cluster` has workers replay: a run of one epoch on pictures that nobody has.
struct ClusterPlan {
  /// Updates before those that are timed: the links' rates are known then.
  static let warmUp = 10

  let job: TrainingJob
  let workers: Int
  let step: Duration
  /// Updates that are timed.
  let count: Int

  /// - Parameter milliseconds: of a step.
  /// - Throws: `HyperparameterError`.
  init(
    model: Architecture, workers: Int, milliseconds: Double, batchesPerUpdate: Int, count: Int,
    batchSize: Int
  ) throws {
    (self.workers, self.count) = (workers, count)
    step = .seconds(milliseconds / 1000)
    var values = Hyperparameters()
    values.epochs = 1
    values.batchSize = batchSize
    values.batchesPerUpdate = batchesPerUpdate
    // Checked before they are multiplied.
    try values.validate()
    guard (Self.warmUp + count) * batchesPerUpdate <= 1_000_000 else {
      throw Failure(
        "--count \(count) with \(batchesPerUpdate) steps an update is more than a million steps",
        status: .wrongUsage)
    }
    values.stepsPerEpoch = (Self.warmUp + count) * batchesPerUpdate
    job = try TrainingJob(
      architecture: model, hyperparameters: values,
      manifest: Self.manifest(model.loss.classes, batchSize: batchSize))
  }

  /// Whole batches, so that all steps are alike; about as many pictures as the book's set has.
  private static func manifest(_ classes: Int, batchSize: Int) -> Manifest {
    let batches = max(1, 2000 / batchSize)
    return Manifest(
      classes: (0..<classes).map { "class \($0)" },
      training: (0..<batches * batchSize).map {
        ManifestEntry(
          path: "recorded/\($0).jpg", label: $0 % classes, digest: .ofNothing, bytes: 0)
      }, validation: [])
  }

  /// Records what its workers replay, on drawn pictures.
  func recording(_ kernels: KernelSet) throws -> Recording {
    let values = job.hyperparameters
    log("recording a step, and \(counted(job.schedule.updates, "update"))")
    let batches = try (0..<2).map {
      try BookLayout.drawnBatch(
        $0, of: values.batchSize, for: job.architecture.input,
        classes: job.architecture.loss.classes, seed: values.seed)
    }
    return try Recording(job, step: step, batches: batches, kernels: kernels)
  }

  /// What an update would take if nothing had to travel, in milliseconds.
  /// - Parameter update: what it takes on one core.
  func ideal(update: Duration) -> Double {
    let steps = (job.schedule.batchesPerUpdate + workers - 1) / workers
    return (step * steps + update) / .milliseconds(1)
  }
}

/// A run of which nothing is kept.
final class UnkeptRun: RunStore {
  func record(_ event: Event) {}
  func append(_ record: EpochRecord) {}
  func writeCheckpoint(_ model: ModelFile) {}
  func writeBest(_ model: ModelFile) {}
  func rollBack(before updates: Int) -> ModelFile? { nil }
  func writeModel(_ model: ModelFile) {}
  func drawCurves() {}
}
