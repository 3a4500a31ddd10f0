// What a coordinator says to a worker. Headers travel as JSON, tensors as a `Body` behind them.

import FoundationEssentials
import Primitives

/// What a coordinator says to a worker.
public enum CoordinatorMessage: Sendable {
  /// The answer to `hello`: the worker is taken in.
  case welcome(Welcome)
  /// The worker is not taken in, or has to leave; it need not try again.
  case refuse(reason: String)
  /// The weights that later work is for.
  case weights(WeightsHeader, Body)
  /// One batch to compute.
  case work(AssignedWork)
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
  /// The floats of a buffer of that model (`ParameterLayout.bufferCount`): no body holds more.
  public var floats: Int
  /// The most pictures of one batch.
  public var batchSize: Int
  /// How JPEGs become pictures, as `PictureSettings` spells it.
  public var pictures: String
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
    worker: Int, model: String, floats: Int, batchSize: Int, pictures: String,
    manifest: String, probe: [Data] = [], heartbeat: Double = Limits.standard.heartbeat,
    heartbeatBound: Double = Limits.standard.heartbeatBound
  ) {
    self.worker = worker
    self.model = model
    self.floats = floats
    self.batchSize = batchSize
    self.pictures = pictures
    self.manifest = manifest
    self.probe = probe
    self.heartbeat = heartbeat
    self.heartbeatBound = heartbeatBound
  }
}

/// What comes with weights.
public struct WeightsHeader: Codable, Hashable, Sendable {
  /// Which weights.
  public var version: WeightsVersion
  /// The digest of the weights.
  public var digest: Digest

  /// Weights of `version`.
  public init(version: WeightsVersion, digest: Digest) {
    (self.version, self.digest) = (version, digest)
  }
}

/// One batch to compute.
///
/// Pictures are indices into the manifest's list of that kind.
public enum Work: Codable, Hashable, Sendable {
  /// The gradient of the sum of the losses of these training pictures.
  case gradient(step: Int, pictures: [Int])
  /// Loss and accuracy on these validation pictures.
  case validation(batch: Int, pictures: [Int])
}

/// Work, and the weights that it is for.
public struct AssignedWork: Codable, Hashable, Sendable {
  /// The batch.
  public var work: Work
  /// The version of the weights to compute with.
  public var weightsVersion: WeightsVersion

  /// `work` with the weights of `weightsVersion`.
  public init(_ work: Work, weightsVersion: WeightsVersion) {
    (self.work, self.weightsVersion) = (work, weightsVersion)
  }
}
