import Engine

/// A folder with one subfolder a class: what `evaluate` takes, and half of a data set.
public struct PictureFolder: Sendable {
  /// The names of the two classes, in the order of their bytes.
  public var classes: [String]
  /// The pictures by class and name.
  public var entries: [ManifestEntry]

  /// Lists the pictures of `folder`/`part`/CLASS and computes their digests; `part` may be empty.
  ///
  /// Paths of the entries start with `part`. A file that cannot be read is listed all the same:
  /// `PictureStore.check` says what is wrong with it.
  /// - Throws: `PictureError` for a folder that cannot be listed, other than two classes, or a
  ///   class without pictures.
  public static func scan(
    _ folder: String, part: String = ""
  ) throws(PictureError) -> PictureFolder {
    let root = part.isEmpty ? folder : "\(folder)/\(part)"
    let classes = try Folder.list(root).filter(\.isFolder).map(\.name)
    guard classes.count == 2 else {
      let found = classes.isEmpty ? "none" : classes.prefix(5).joined(separator: ", ")
      throw PictureError(
        path: root,
        "\(classes.count) class\(classes.count == 1 ? "" : "es") (\(found)): "
          + "there must be two subfolders, one a class")
    }
    var entries: [ManifestEntry] = []
    for (label, name) in classes.enumerated() {
      let found = try pictures(in: "\(root)/\(name)")
      for picture in found {
        let path = (part.isEmpty ? "" : part + "/") + "\(name)/\(picture)"
        entries.append(entry(folder, path, UInt8(label)))
      }
    }
    return PictureFolder(classes: classes, entries: entries)
  }

  /// Whether there is a folder at `path`.
  public static func exists(_ path: String) -> Bool { Folder.isFolder(path) }

  /// Kinds of file that count as pictures.
  ///
  /// Only JPEG can be read: the others are listed so that they are reported, not silently left out.
  private static let extensions: Set<String> = [
    "jpg", "jpeg", "jpe", "jfif", "png", "gif", "bmp", "webp", "tif", "tiff",
  ]

  private static func pictures(in folder: String) throws(PictureError) -> [String] {
    var names: [String] = []
    for (name, isFolder) in try Folder.list(folder) {
      if isFolder {
        throw PictureError(
          path: "\(folder)/\(name)", "a folder inside a class: put its pictures into \(folder)")
      }
      guard let dot = name.lastIndex(of: ".") else { continue }
      if extensions.contains(name[dot...].dropFirst().lowercased()) { names.append(name) }
    }
    guard !names.isEmpty else {
      throw PictureError(path: folder, "an empty class: no .jpg or .jpeg file in it")
    }
    return names
  }

  private static func entry(_ folder: String, _ path: String, _ label: UInt8) -> ManifestEntry {
    guard let file = try? FileBytes(path: "\(folder)/\(path)") else {
      return ManifestEntry(path: path, label: label, digest: .ofNothing, bytes: 0)
    }
    return ManifestEntry(path: path, label: label, digest: file.digest, bytes: file.bytes.count)
  }
}

/// A data folder as `prepare` makes it: `train` and `validation`, each with the same two classes.
public struct DataSet: Sendable {
  /// The data folder, as given.
  public var folder: String
  /// Its pictures.
  public var manifest: Manifest

  /// Scans `folder`.
  /// - Parameter batchSize: refused where there are fewer training pictures.
  /// - Throws: `PictureError` for a missing folder or part, one that cannot be read, an empty
  ///   class, other than two classes, or classes that differ.
  public static func scan(
    _ folder: String, batchSize: Int = 1
  ) throws(PictureError) -> DataSet {
    for part in ["", "/train", "/validation"] where !Folder.exists(folder + part) {
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
    guard batchSize <= training.entries.count else {
      throw PictureError(
        path: "\(folder)/train",
        "a batch of \(batchSize) is larger than the set of \(training.entries.count) pictures")
    }
    let manifest = Manifest(
      classes: training.classes, training: training.entries, validation: validation.entries)
    return DataSet(folder: folder, manifest: manifest)
  }
}
