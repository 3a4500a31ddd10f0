/// A data folder as `prepare` makes it: `train` and `validation`, each with the same two classes.
public struct DataSet: Sendable {
  /// The data folder, as given.
  public var folder: String
  /// Its pictures.
  public var manifest: Manifest
  /// What the user should know of the folder, a line each: what was passed over, what is ignored.
  public var remarks: [String]

  /// Scans `folder`.
  /// - Throws: `PictureError` for a missing folder or part, one that cannot be read, an empty
  ///   class, other than two classes, or classes that differ.
  public static func scan(_ folder: String) throws(PictureError) -> DataSet {
    for part in ["", "/train", "/validation"] where !Folder.exists(folder + part) {
      if Folder.isLink(folder + part), !Folder.exists(folder + part) {
        throw PictureError(path: folder + part, "a symbolic link to nothing: fix it")
      }
      let hint = part.isEmpty ? "" : ": a data folder has train and validation (dogsled prepare)"
      throw PictureError(path: folder + part, "no such folder" + hint)
    }
    let training = try PictureFolder.scan(folder, part: "train")
    let validation = try PictureFolder.scan(folder, part: "validation")
    guard training.classes == validation.classes else {
      throw PictureError(
        path: folder,
        "train has the classes \(training.classes.joined(separator: ", ")), validation has "
          + validation.classes.joined(separator: ", "))
    }
    let manifest = Manifest(
      classes: training.classes, training: training.entries, validation: validation.entries)
    return DataSet(
      folder: folder, manifest: manifest,
      remarks: training.notes + validation.notes
        + PictureFolder.note(turned: training.turned + validation.turned))
  }
}
