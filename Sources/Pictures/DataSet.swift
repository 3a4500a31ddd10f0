/// A data folder as `prepare` makes it: `train` and `validation`, each with the same classes.
public struct DataSet: Sendable {
  /// The data folder, as given.
  public var folder: String
  /// Its pictures.
  public var manifest: Manifest
  /// What the user should know of the folder, a line each: what was passed over, what is ignored.
  public var remarks: [String]

  /// Scans `folder`.
  /// - Parameter classes: how many there must be.
  /// - Throws: `PictureError` for a missing folder or part, one that cannot be read, an empty
  ///   class, another number of classes, or classes that differ.
  public static func scan(_ folder: String, classes: Int) throws(PictureError) -> DataSet {
    for part in ["", "/train", "/validation"] where !Folder.exists(folder + part) {
      if Folder.isLink(folder + part) {
        throw PictureError(path: folder + part, "a symbolic link to nothing: fix it")
      }
      let hint = part.isEmpty ? "" : ": a data folder has train and validation (dogsled prepare)"
      throw PictureError(path: folder + part, "no such folder" + hint)
    }
    let training = try PictureFolder.scan(folder, part: "train", classes: classes)
    let validation = try PictureFolder.scan(folder, part: "validation", classes: classes)
    guard training.classes == validation.classes else {
      throw PictureError(
        path: folder,
        "train has the classes \(PictureFolder.listed(training.classes)), validation has "
          + PictureFolder.listed(validation.classes)
          + Self.difference(training.classes, validation.classes))
    }
    let manifest = Manifest(
      classes: training.classes, training: training.entries, validation: validation.entries)
    return DataSet(
      folder: folder, manifest: manifest,
      remarks: training.notes + validation.notes
        + PictureFolder.note(turned: training.turned + validation.turned))
  }

  /// The first class that only one of two lists has, where they are too long to be shown whole.
  private static func difference(_ training: [String], _ validation: [String]) -> String {
    guard max(training.count, validation.count) > 5,
      let first = Set(training).symmetricDifference(validation).min()
    else { return "" }
    return ": only one of them has \(first)"
  }

  /// How many classes a data folder has: as many as there are folders in its training part.
  /// - Returns: nil where they cannot be listed; `scan` says why.
  public static func classCount(_ folder: String) -> Int? {
    try? PictureFolder.classNames(in: folder + "/train").count
  }
}
