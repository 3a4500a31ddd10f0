// A model as Keras 3 saves it: a zip file with the layers in JSON, a note on versions, and the
// weights in HDF5.

import Engine

/// The members of a `.keras` file.
enum KerasArchive {
  static let configuration = "config.json"
  static let metadata = "metadata.json"
  static let weights = "model.weights.h5"

  /// The version of Keras that wrote it; nil where it does not say.
  /// - Throws: `ModelFileError` where what says so cannot be read.
  static func version(in zip: ZipArchive) throws -> String? {
    guard zip.contains(metadata) else { return nil }
    let text = try zip.text(of: metadata, atMost: 1 << 20)
    do {
      return try JSON(parsing: text, as: metadata)["keras_version"]?.string
    } catch {
      throw ModelFileError("\(zip.path): \(error)")
    }
  }
}
