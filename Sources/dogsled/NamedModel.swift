import Foundation
import KerasFiles
import Pictures

/// The model that a verb is given: a file, or a run's folder.
enum NamedModel {
  /// Help for the argument.
  static let help = "A model: an .h5 file, or a run's folder."

  /// Reads the model that `path` names.
  /// - Throws: what is wrong with it, in one clear line.
  static func read(_ path: String) throws -> ModelFile { try ModelFile(reading: file(path)) }

  /// Reads the model that `path` names, for computing with it.
  ///
  /// Weights that are not finite are refused: relu turns what is no number into 0, and a prediction
  /// of such a network looks like any other.
  /// - Throws: what is wrong with it, in one clear line.
  static func readFinite(_ path: String) throws -> ModelFile {
    let model = try read(path)
    guard model.state.weights.isFinite else {
      throw Failure("\(path): its weights are not finite: it is damaged, or its training diverged")
    }
    return model
  }

  /// The model file that `path` names.
  ///
  /// Of a run's folder it is `model.h5` or, before the run's end, the newest checkpoint; standard
  /// error says which.
  /// - Throws: `Failure` for a folder without any.
  static func file(_ path: String) throws -> String {
    guard PictureFolder.exists(path) else { return path }
    let folder = path.hasSuffix("/") ? path : path + "/"
    let files = ["model.h5", "checkpoint.h5", "checkpoint-previous.h5"].map { folder + $0 }
    guard let file = files.first(where: FileManager.default.fileExists(atPath:)) else {
      throw Failure(
        "\(path): no model file, and no run's folder with a model: neither model.h5 nor "
          + "checkpoint.h5 is in it")
    }
    log("using \(file)")
    return file
  }
}
