import ArgumentParser
import Foundation
import KerasFiles
import Pictures

/// The model that a verb is given: a file, or a run's folder.
enum NamedModel {
  /// Help for the argument.
  static let help =
    "A model: an .h5 or .keras file, a run's folder, or Keras's JSON with --weights."
  /// The files that can be one.
  static let extensions = ["h5", "keras", "json"]

  /// Reads the model that `path` names, the last one of a run.
  /// - Throws: what is wrong with it, in one clear line.
  static func read(_ path: String, _ options: WeightsOption) throws -> ModelFile {
    try ModelFile(reading: file(path, choice: .last), weights: options.weights)
  }

  /// Reads the model file at `path`, for computing with it.
  ///
  /// Weights that are not finite are refused: relu turns what is no number into 0, and a prediction
  /// of such a network looks like any other.
  /// - Throws: what is wrong with it, in one clear line.
  static func readFinite(_ path: String, weights: String?) throws -> ModelFile {
    let model = try ModelFile(reading: path, weights: weights)
    guard model.state.weights.isFinite else {
      throw Failure(
        "\(weights ?? path): its weights are not finite: it is damaged, or its training "
          + "diverged")
    }
    for tensor in model.state.weights.layout.tensors where tensor.kind == .movingVariance {
      guard model.state.weights[tensor].allSatisfy({ $0 >= 0 }) else {
        throw Failure(
          "\(weights ?? path): a variance of \(tensor.layer) is below 0: the file is damaged")
      }
    }
    return model
  }

  /// Which model of a run's folder is taken.
  enum Choice {
    /// That of the best epoch, where there is one.
    case best
    /// The newest one.
    case last
  }

  /// The model file that `path` names: of a run's folder that of its best epoch, or of its last.
  /// - Throws: where there is none, or `--last` says nothing about it.
  static func file(_ path: String, last: Bool) throws -> String {
    if last, !PictureFolder.exists(path) {
      throw ValidationError("--last is for a run's folder, and \(path) is none")
    }
    return try file(path, choice: last ? .last : .best)
  }

  /// The model file that `path` names.
  ///
  /// Of a run's folder it is `best.h5` where that is wanted and there, then `model.h5` or, before
  /// the run's end, the newest checkpoint; standard error says which.
  /// - Throws: `Failure` for a folder without any.
  static func file(_ path: String, choice: Choice) throws -> String {
    guard PictureFolder.exists(path) else { return path }
    let folder = path.hasSuffix("/") ? path : path + "/"
    let last = ["model.h5", "checkpoint.h5", "checkpoint-previous.h5"]
    let names = choice == .best ? ["best.h5"] + last : last
    let files = names.map { folder + $0 }
    guard let file = files.first(where: FileManager.default.fileExists(atPath:)) else {
      throw Failure(
        "\(path): no model file, and no run's folder with a model: neither model.h5 nor "
          + "checkpoint.h5 is in it")
    }
    log("using \(file)\(epoch(of: file))")
    return file
  }

  /// `, of epoch 12, the best` for the best model of a run; nothing for another, or one that cannot
  /// be read.
  private static func epoch(of file: String) -> String {
    guard file.hasSuffix("/best.h5"), let best = try? ModelFile(reading: file).best else {
      return ""
    }
    return ", of epoch \(best.epoch), the best (--last takes the last)"
  }
}

/// Weights beside a model.
struct WeightsOption: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "A file whose weights are taken instead of the model's own: .weights.h5, .h5 or .keras. "
        + "Keras's JSON has none, and needs it.", valueName: "what"),
    completion: .file(extensions: ["h5", "keras"]))
  var weights: String?
}
