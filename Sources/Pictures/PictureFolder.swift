import Foundation

/// A folder with one subfolder a class: what `evaluate` takes, and half of a data set.
public struct PictureFolder: Sendable {
  /// The names of the classes' folders, in the order of their labels.
  public var classes: [String]
  /// The pictures by class and name.
  public var entries: [ManifestEntry]
  /// How many pictures carry an EXIF rotation.
  var turned = 0
  /// What was passed over, a line each.
  var notes: [String] = []
  /// What the user should know of the folder, a line each.
  public var remarks: [String] { notes + Self.note(turned: turned) }

  /// Lists the pictures of `folder`/`part`/CLASS and computes their digests; `part` may be empty.
  ///
  /// Paths of the entries start with `part`. A file that cannot be read, or is a picture of another
  /// format, is listed all the same: `PictureStore.check` says what is wrong with it.
  /// - Parameters:
  ///   - classes: how many there must be, or may be with `labels`.
  ///   - labels: the classes that may be there and their labels; the default is all that there are,
  ///     in the order of their names.
  /// - Throws: `PictureError` for a folder that cannot be listed, a class without pictures, or
  ///   other classes than `labels` has; without `labels` for another number than `classes`.
  public static func scan(
    _ folder: String, part: String = "", classes: Int, labels: [String: Int]? = nil
  ) throws(PictureError) -> PictureFolder {
    let root = part.isEmpty ? folder : "\(folder)/\(part)"
    let names = try classNames(in: root)
    let labelled: [(name: String, label: Int)]
    if let labels {
      labelled = names.compactMap { name in labels[name].map { (name, $0) } }
        .sorted { $0.label < $1.label }
    } else {
      labelled = names.enumerated().map { ($1, $0) }
    }
    guard labelled.count == names.count, !names.isEmpty, labels != nil || names.count == classes
    else {
      let found = names.isEmpty ? "none" : listed(names)
      throw PictureError(
        path: root,
        "\(names.count) class\(names.count == 1 ? "" : "es") (\(found)): "
          + "there must be \(classes) subfolders, one a class")
    }
    var scanned = PictureFolder(classes: labelled.map(\.name), entries: [])
    let beside = try FolderFiles(in: root)
    scanned.notes += FolderFiles.note(
      beside.pictures, "beside the classes' folders: of no class, and left out", in: root)
    var others = beside.others
    for (name, label) in labelled {
      let files = try FolderFiles(inClass: "\(root)/\(name)")
      others += files.others.map { "\(name)/\($0)" }
      for picture in files.pictures {
        scanned.add(folder, (part.isEmpty ? "" : part + "/") + "\(name)/\(picture)", label)
      }
    }
    scanned.notes += FolderFiles.note(passedOver: others, in: root)
    return scanned
  }

  /// The classes' folders in `root`, by name: in the same order whatever Unicode form the names
  /// are written in.
  /// - Throws: `PictureError` where it cannot be listed, a link leads to nothing, or a name cannot
  ///   be a class's.
  public static func classNames(in root: String) throws(PictureError) -> [String] {
    var names: [String] = []
    for entry in try Folder.list(root) where !FolderFiles.isPassedOver(entry) {
      let place = "\(root)/\(entry.name)"
      switch entry.kind {
      case .folder: names.append(entry.name)
      case .linkToNothing:
        throw PictureError(path: place, "a symbolic link to nothing: fix it or remove it")
      case .file, .device: continue
      }
      guard FileName.isPrintable(entry.name) else {
        throw PictureError(
          path: place,
          "a class's name must be text in UTF-8 and of one line, without tabs: "
            + "rename the folder")
      }
      // Equal as Unicode has it, though their bytes differ.
      guard names.dropLast().allSatisfy({ $0 != entry.name }) else {
        throw PictureError(
          path: place, "two folders have this name, in two Unicode forms: make them one")
      }
    }
    return names.sorted {
      $0.precomposedStringWithCanonicalMapping.utf8.lexicographicallyPrecedes(
        $1.precomposedStringWithCanonicalMapping.utf8)
    }
  }

  /// The first five of `names` for a line of text, and how many more there are.
  public static func listed(_ names: [String]) -> String {
    let more = names.count > 5 ? " and \(names.count - 5) more" : ""
    return names.prefix(5).joined(separator: ", ") + more
  }

  /// Whether there is a folder at `path`.
  public static func exists(_ path: String) -> Bool { Folder.isFolder(path) }

  /// The pictures below `folder`, at any depth, in the order of their names' bytes; and what was
  /// passed over, a line.
  /// - Throws: `PictureError` for a folder that cannot be listed, or holds no picture.
  public static func allFiles(
    below folder: String
  ) throws(PictureError) -> (paths: [String], remarks: [String]) {
    let (paths, notes) = try FolderFiles.all(below: folder)
    return (paths, notes)
  }

  /// A line where `turned` pictures, one or more, carry an EXIF rotation.
  static func note(turned: Int) -> [String] {
    switch turned {
    case 0: []
    case 1: ["1 picture carries an EXIF rotation, which is ignored, as Keras does"]
    default: ["\(turned) pictures carry an EXIF rotation, which is ignored, as Keras does"]
    }
  }

  /// Adds the picture `folder`/`path`.
  private mutating func add(_ folder: String, _ path: String, _ label: Int) {
    guard let file = try? FileBytes(path: "\(folder)/\(path)") else {
      entries.append(ManifestEntry(path: path, label: label, digest: .ofNothing, bytes: 0))
      return
    }
    if Orientation.turned(file.bytes) != nil { turned += 1 }
    entries.append(
      ManifestEntry(path: path, label: label, digest: file.digest, bytes: file.bytes.count))
  }
}
