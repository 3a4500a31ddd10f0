// A model in a file, in the HDF5 form that Keras calls legacy: architecture, weights, the
// optimizer's slots, and what Dogsled adds for a run that goes on.

import Engine
import Foundation
import Pictures

/// A model file that cannot be read or written; `description` says which file and why.
public struct ModelFileError: Error, CustomStringConvertible {
  /// One line for the user.
  public let description: String
  /// An error that says `description`.
  public init(_ description: String) { self.description = description }
}

/// What a model file holds.
///
/// Buffers are references: nobody may write to them during `write`.
public struct ModelFile: Sendable {
  /// The model.
  public var architecture: Architecture
  /// Its weights; without slots where the file has no optimizer's.
  public var state: ModelState
  /// What it was trained with.
  public var optimizer: any Optimizer
  /// What its loss spreads of each label over all classes.
  public var labelSmoothing: Float
  /// The names of the classes in the order of the outputs; nil where the file does not say.
  public var classes: [String]?
  /// How JPEGs became pictures; nil where the file does not say.
  public var pictures: PictureSettings?
  /// How far the run had come; nil in a file that is no checkpoint.
  public var position: RunPosition?
  /// Which epoch of its run it is; nil in a file that is no best model of a run.
  public var best: BestEpoch?
  /// What a file of Keras's says of training it that Dogsled does not take over.
  public internal(set) var untaken: [KerasModel.Untaken] = []
  /// How the file has the layers, where models are in the model; nil where none is.
  var stored: [StoredLayer]?

  /// A model to write.
  public init(
    architecture: Architecture, state: ModelState, optimizer: any Optimizer = Optimizers.standard,
    labelSmoothing: Float = 0, classes: [String]? = nil, pictures: PictureSettings? = nil,
    position: RunPosition? = nil,
    best: BestEpoch? = nil
  ) {
    self.architecture = architecture
    self.state = state
    self.optimizer = optimizer
    self.labelSmoothing = labelSmoothing
    self.classes = classes
    self.pictures = pictures
    self.position = position
    self.best = best
  }

  /// Whether a run can go on from it: it has a position, and a state of just that many updates with
  /// all that its optimizer remembers.
  package var isCheckpoint: Bool {
    state.suits(optimizer) && position?.updates == state.updates
  }

  /// The names in the file.
  enum Name {
    static let configuration = "model_config"
    static let training = "training_config"
    static let weights = "model_weights"
    static let layers = "layer_names"
    static let tensors = "weight_names"
    static let optimizer = "optimizer_weights"
    /// A group of our own, which Keras does not look at.
    static let own = "dogsled"
    /// A list that is too long for one attribute goes on in others, as Keras's lists do.
    static func classes(_ part: Int) -> String { part == 0 ? "classes" : "classes\(part)" }
    static let pictures = "pictures"
    static let position = "position"
    static let best = "best"
  }
}
