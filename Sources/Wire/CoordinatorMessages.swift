// What a coordinator says to a worker. Most travels as JSON, numbers as parts.

import Engine
import FoundationEssentials
import Primitives

/// What a coordinator says to a worker.
public enum CoordinatorMessage: Sendable {
  /// The answer to `hello`: the worker is taken in.
  case welcome(Welcome)
  /// The worker is not taken in, or has to leave; it need not try again.
  case refuse(reason: String)
  /// What the run has learnt so far; it replaces what the worker holds. Its parts follow; inside
  /// one process the weights come with it, and nobody may write to them while the worker computes.
  case weights(WeightsHeader, ParameterBuffer?)
  /// Some numbers of the state that was announced, or of the update under way.
  case part(Part)
  /// An update is certain: whoever holds the weights before it makes it once all its parts are in.
  case update(UpdateHeader)
  /// Batches to compute.
  case work(AssignedWork)
  /// Hand on what comes of updates to this worker, from now on and to nobody else; nil for nobody.
  case successor(Successor?)
  /// Another worker is told to hand on what comes of updates to this one.
  case predecessor(LinkPermit)
  /// Some bytes of a picture that the worker asked for.
  case picture(PicturePiece)
  /// The run is over.
  case finished
  /// Nothing new: the coordinator is alive.
  case heartbeat
}

/// What a worker has to know before it can work.
public struct Welcome: Codable, Hashable, Sendable {
  /// The number that the coordinator calls this worker by.
  public var worker: Int
  /// The model: Keras's configuration of a `Sequential` as JSON.
  public var model: String
  /// The floats of a buffer of that model (`ParameterLayout.bufferCount`).
  public var floats: Int
  /// The most floats of a part.
  public var partFloats: Int
  /// What makes new weights of a gradient: Keras's name of the class.
  public var optimizer: String
  /// The bits of its settings, as `Optimizer.values` has them.
  public var optimizerValues: [UInt32]
  /// The bits of what of each label is spread over all classes.
  public var labelSmoothing: UInt32
  /// The bits of what the loss of a training picture of each class counts; none for 1.
  public var classWeights: [UInt32]
  /// The most pictures of one batch.
  public var batchSize: Int
  /// The most steps of an update.
  public var batchesPerUpdate: Int
  /// How JPEGs become pictures, as `PictureSettings` spells it.
  public var pictures: String
  /// How training pictures are changed, as `Augmentation` spells it.
  public var augmentation: String
  /// The seed of the run: the key of every draw.
  public var seed: UInt64
  /// The manifest of the data set as JSON.
  public var manifest: String
  /// JPEG pictures whose gradient the worker shows that it computes as the coordinator does.
  public var probe: [Data]
  /// Seconds between two heartbeats, either way.
  public var heartbeat: Double
  /// Seconds of silence after which either side takes the other for lost.
  public var heartbeatBound: Double

  /// A welcome with every field given; heartbeats are as in `Limits.standard`.
  public init(
    worker: Int, model: String, floats: Int, partFloats: Int = Limits.standard.partFloats,
    optimizer: any Optimizer, labelSmoothing: Float = 0, classWeights: [Float] = [], batchSize: Int,
    batchesPerUpdate: Int, pictures: String,
    augmentation: String, seed: UInt64, manifest: String, probe: [Data] = []
  ) {
    self.worker = worker
    self.model = model
    self.floats = floats
    self.partFloats = partFloats
    heartbeat = Limits.standard.heartbeat
    heartbeatBound = Limits.standard.heartbeatBound
    self.optimizer = type(of: optimizer).kerasClass
    optimizerValues = optimizer.values.map(\.value.bitPattern)
    self.labelSmoothing = labelSmoothing.bitPattern
    self.classWeights = classWeights.map(\.bitPattern)
    self.batchSize = batchSize
    self.batchesPerUpdate = batchesPerUpdate
    self.pictures = pictures
    self.augmentation = augmentation
    self.seed = seed
    self.manifest = manifest
    self.probe = probe
  }
}

/// What comes with weights.
public struct WeightsHeader: Codable, Hashable, Sendable {
  /// Which weights.
  public var version: WeightsVersion
  /// The digest of the weights.
  public var digest: Digest
  /// Whether the worker is to make the updates after these weights itself: then the optimizer's
  /// slots follow the weights.
  public var makesUpdates: Bool

  /// Weights of `version`.
  public init(version: WeightsVersion, digest: Digest, makesUpdates: Bool = false) {
    (self.version, self.digest, self.makesUpdates) = (version, digest, makesUpdates)
  }
}

/// What is certain of an update.
public struct UpdateHeader: Codable, Hashable, Sendable {
  /// The weights that it is applied to.
  public var version: WeightsVersion
  /// Its first step, counted over the run.
  public var firstStep: Int
  /// The pictures of each of its steps.
  public var pictures: [Int]
  /// The bits of its learning rate; nil for that of the welcome.
  public var rate: UInt32?

  /// The update of the weights of `version`.
  public init(version: WeightsVersion, firstStep: Int, pictures: [Int], rate: Float? = nil) {
    (self.version, self.firstStep, self.pictures) = (version, firstStep, pictures)
    self.rate = rate?.bitPattern
  }
}

/// A worker that another one hands parts of updates on to, and the link between the two.
public struct Successor: Codable, Hashable, Sendable {
  /// The number of the link: no two of a run have the same.
  public var link: Int
  /// Where the worker listens.
  public var host: String
  /// The port and the key with which it listens.
  public var listening: Listening
  /// What lets this worker use the link, once.
  public var secret: Secret

  /// The worker that listens at `host`.
  public init(link: Int, host: String, listening: Listening, secret: Secret) {
    (self.link, self.host, self.listening, self.secret) = (link, host, listening, secret)
  }
}

/// Batches to compute as one.
///
/// Pictures are indices into the manifest's list of that kind.
public enum Work: Codable, Hashable, Sendable {
  /// The gradients of the sums of the losses of these training pictures: of each step from `step`
  /// on.
  case gradient(step: Int, pictures: [[Int]])
  /// Loss and accuracy on these validation pictures.
  case validation(batch: Int, pictures: [Int])
}

/// Work, and the weights that it is for, which may be still on their way.
public struct AssignedWork: Codable, Hashable, Sendable {
  /// The batches.
  public var work: Work
  /// The version of the weights to compute with.
  public var weightsVersion: WeightsVersion

  /// `work` with the weights of `weightsVersion`.
  public init(_ work: Work, weightsVersion: WeightsVersion) {
    (self.work, self.weightsVersion) = (work, weightsVersion)
  }
}
