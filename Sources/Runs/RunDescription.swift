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

  /// Describes a run on the pictures of the folder `data`.
  public init(
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
    let encoder = JSONEncoder.anyNumbers
    encoder.outputFormatting = .sortedKeys
    // A description is strings and numbers: encoding it cannot fail.
    return ((try? encoder.encode(named)) ?? Data()).withUnsafeBytes(Digest.init(of:))
  }
}
