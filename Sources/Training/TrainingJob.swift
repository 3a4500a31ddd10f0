import Coordination
import Engine
import Foundation
import Pictures
import Primitives
import Runs

/// What is trained, on what and how: all that decides the weights.
public struct TrainingJob: Sendable {
  /// The model.
  public let architecture: Architecture
  /// The hyper-parameters and the seed.
  public let hyperparameters: Hyperparameters
  /// The pictures, by digest.
  public let manifest: Manifest
  /// Which pictures make up which batch.
  public let plan: BatchPlan
  /// Which batches make up which update and epoch.
  public let schedule: Schedule
  /// What the loss of a training picture of each class counts; none where all count 1.
  public let classWeights: [Float]

  /// The weights that training begins with, which nobody writes to; nil where they are drawn.
  public let start: ParameterBuffer?

  /// The digest of all that decides the weights.
  public let digest: Digest

  /// The gradients of its steps.
  public var gradients: GradientLayout {
    GradientLayout(architecture.parameters, batch: hyperparameters.batchSize)
  }

  /// Checks the hyper-parameters against the data set.
  /// - Parameter start: the weights that training begins with; nil where they are drawn.
  /// - Throws: `HyperparameterError`.
  public init(
    architecture: Architecture, hyperparameters: Hyperparameters, manifest: Manifest,
    start: ParameterBuffer? = nil
  ) throws {
    let (training, validation) = (manifest.training.count, manifest.validation.count)
    try hyperparameters.validate(trainingPictures: training)
    if hyperparameters.watchesValidation, validation == 0 {
      throw HyperparameterError(problems: [
        "--schedule plateau and --early-stopping look at the validation loss: the data set has no "
          + "validation pictures"
      ])
    }
    if hyperparameters.best != .loss, validation == 0 {
      throw HyperparameterError(problems: [
        "--best \(hyperparameters.best) looks at the validation: the data set has no validation "
          + "pictures"
      ])
    }
    self.architecture = architecture
    self.hyperparameters = hyperparameters
    self.manifest = manifest
    self.start = start
    classWeights = try hyperparameters.classWeights.weights(
      classes: manifest.classes,
      counts: manifest.classes.indices.map { label in
        manifest.training.count { Int($0.label) == label }
      })
    plan = BatchPlan(
      trainingCount: training, validationCount: validation,
      batchSize: hyperparameters.batchSize, seed: hyperparameters.seed)
    schedule = Schedule(
      epochs: hyperparameters.epochs, stepsPerEpoch: hyperparameters.stepsPerEpoch,
      batchesPerUpdate: hyperparameters.batchesPerUpdate,
      validationBatches: min(hyperparameters.validationSteps, plan.validationBatches))
    digest =
      RunDescription(
        architecture: architecture, hyperparameters: hyperparameters, manifest: manifest,
        start: start?.digest, data: ""
      ).digest
  }
}

extension RunDescription {
  /// Describes `job` on the pictures of the folder `data`.
  public init(_ job: TrainingJob, data: String) {
    self.init(
      architecture: job.architecture, hyperparameters: job.hyperparameters,
      manifest: job.manifest, start: job.start?.digest, data: data)
  }
}
