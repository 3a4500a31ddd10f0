import Engine
import Foundation
import KerasFiles
import Pictures
import Primitives

/// What `run.json` says: all that decides the weights, and versions.
public struct RunDescription: Codable, Hashable, Sendable {
  /// The version of Dogsled that began the run.
  public var dogsled: String
  /// The data folder; absolute since runs can be resumed from anywhere.
  public var data: String
  /// The digest of the data set's manifest.
  public var dataDigest: Digest
  /// The names of the classes in the order of their labels.
  public var classes: [String]
  /// Pictures to train on.
  public var trainingPictures: Int
  /// Pictures to validate on.
  public var validationPictures: Int
  /// The hyper-parameters and the seed.
  public var hyperparameters: Hyperparameters
  /// The model: Keras's configuration as JSON.
  public var model: String
  /// The digest of the weights that the run began with, which are in `start.h5`; nil where they
  /// were drawn.
  public private(set) var start: Digest?
  /// The epochs that the run was to have before it was made longer or shorter.
  ///
  /// Its checkpoints may name them. Nil in a run that never was.
  public private(set) var earlierEpochs: [Int]?

  /// Describes a run on the pictures of the folder `data`.
  public init(
    architecture: Architecture, hyperparameters: Hyperparameters, manifest: Manifest,
    start: Digest? = nil, data: String
  ) {
    dogsled = dogsledVersion
    self.data = data
    dataDigest = manifest.digest
    classes = manifest.classes
    trainingPictures = manifest.training.count
    validationPictures = manifest.validation.count
    self.hyperparameters = hyperparameters
    self.start = start
    model = KerasConfiguration.encode(architecture)
  }

  /// The digest of all but the data folder's name: equal for runs whose weights are.
  public var digest: Digest {
    var named = self
    named.data = ""
    named.earlierEpochs = nil
    let encoder = JSONEncoder.anyNumbers
    encoder.outputFormatting = .sortedKeys
    // A description is strings and numbers: encoding it cannot fail.
    return ((try? encoder.encode(named)) ?? Data()).withUnsafeBytes(Digest.init(of:))
  }

  /// The digests that a checkpoint of this run may name: of all epochs that it was to have.
  public var digests: [Digest] {
    ([hyperparameters.epochs] + (earlierEpochs ?? [])).map { epochs in
      var named = self
      named.hyperparameters.epochs = epochs
      return named.digest
    }
  }

  /// The run with another number of epochs, which nothing else in it may depend on.
  public func with(epochs: Int) -> RunDescription {
    var changed = self
    let before = hyperparameters.epochs
    changed.hyperparameters.epochs = epochs
    changed.earlierEpochs = (earlierEpochs ?? []).filter { $0 != epochs && $0 != before } + [before]
    return changed
  }
}
