import Engine
import Foundation
import Pictures

/// The version of Dogsled; a coordinator and its workers must have the same.
public let dogsledVersion = "0.1.0"

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

  /// The digest of all that decides the weights.
  public let digest: Digest

  /// The gradients of its steps.
  public var gradients: GradientLayout {
    GradientLayout(architecture.parameters, batch: hyperparameters.batchSize)
  }

  /// Checks the hyper-parameters against the data set.
  /// - Throws: `HyperparameterError`.
  public init(
    architecture: Architecture, hyperparameters: Hyperparameters, manifest: Manifest
  ) throws {
    let (training, validation) = (manifest.training.count, manifest.validation.count)
    try hyperparameters.validate(trainingPictures: training)
    self.architecture = architecture
    self.hyperparameters = hyperparameters
    self.manifest = manifest
    plan = BatchPlan(
      trainingCount: training, validationCount: validation,
      batchSize: hyperparameters.batchSize, seed: hyperparameters.seed)
    schedule = Schedule(
      epochs: hyperparameters.epochs, stepsPerEpoch: hyperparameters.stepsPerEpoch,
      batchesPerUpdate: hyperparameters.batchesPerUpdate,
      validationBatches: min(hyperparameters.validationSteps, plan.validationBatches))
    digest =
      RunDescription(
        architecture: architecture, hyperparameters: hyperparameters, manifest: manifest, data: ""
      ).digest
  }
}

/// What `run.json` says: all that decides the weights, and versions.
public struct RunDescription: Codable, Hashable, Sendable {
  /// The version of Dogsled that began the run.
  public var dogsled: String
  /// The data folder; absolute since runs can be resumed from anywhere.
  public var data: String
  /// The digest of the data set's manifest.
  public var dataDigest: Digest
  /// The names of class 0 and class 1.
  public var classes: [String]
  /// Pictures to train on.
  public var trainingPictures: Int
  /// Pictures to validate on.
  public var validationPictures: Int
  /// The hyper-parameters and the seed.
  public var hyperparameters: Hyperparameters
  /// The model: Keras's configuration as JSON.
  public var model: String

  /// Describes `job` on the pictures of the folder `data`.
  public init(_ job: TrainingJob, data: String) {
    self.init(
      architecture: job.architecture, hyperparameters: job.hyperparameters,
      manifest: job.manifest, data: data)
  }

  init(
    architecture: Architecture, hyperparameters: Hyperparameters, manifest: Manifest, data: String
  ) {
    dogsled = dogsledVersion
    self.data = data
    dataDigest = manifest.digest
    classes = manifest.classes
    trainingPictures = manifest.training.count
    validationPictures = manifest.validation.count
    self.hyperparameters = hyperparameters
    model = KerasConfiguration.encode(architecture)
  }

  /// The digest of all but the data folder's name: equal for runs whose weights are.
  public var digest: Digest {
    var named = self
    named.data = ""
    let encoder = JSONEncoder()
    encoder.outputFormatting = .sortedKeys
    encoder.nonConformingFloatEncodingStrategy = .convertToString(
      positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
    // A description is strings and numbers: encoding it cannot fail.
    return ((try? encoder.encode(named)) ?? Data()).withUnsafeBytes(Digest.init(of:))
  }
}
