import Foundation

/// The files of one folder: which are pictures, by their first bytes, and which are not.
struct FolderFiles {
  /// JPEGs whatever their names, pictures of other formats, and what is named like a picture or
  /// cannot be looked at: opening them says what is wrong.
  var pictures: [String] = []
  /// The rest; without what a Mac leaves behind.
  var others: [String] = []

  /// - Throws: `PictureError` for a folder that cannot be listed.
  init(in folder: String) throws(PictureError) {
    for entry in try Folder.listAll(folder) where !entry.isFolder { add(entry, in: folder) }
  }

  /// - Throws: `PictureError` also for a folder inside `folder`, or where no picture is in it.
  init(inClass folder: String) throws(PictureError) {
    for entry in try Folder.listAll(folder) {
      if !entry.isFolder {
        add(entry, in: folder)
      } else if !Self.isPassedOver(entry) {
        throw PictureError(
          path: "\(folder)/\(entry.name)",
          "a folder inside a class: put its pictures into \(folder)")
      }
    }
    guard !pictures.isEmpty else {
      throw PictureError(path: folder, "an empty class: no picture is in it")
    }
  }

  private mutating func add(_ entry: Folder.Entry, in folder: String) {
    if entry.isHidden {
      let isMacs = entry.name == ".DS_Store" || entry.name.utf8.starts(with: "._".utf8)
      if !isMacs { others.append(entry.name) }
    } else if Self.isPicture(entry, in: folder) {
      pictures.append(entry.name)
    } else {
      others.append(entry.name)
    }
  }

  private static func isPicture(_ entry: Folder.Entry, in folder: String) -> Bool {
    if PictureFormat.isPromised(by: entry.name) || entry.kind == .linkToNothing { return true }
    guard entry.kind == .file else { return false }
    let path = "\(folder)/\(entry.name)"
    guard let head = try? FileBytes(path: path, head: PictureFormat.headBytes) else { return true }
    return PictureFormat(head.bytes) != nil
  }

  /// Folders that archives, file servers and file systems leave among others; hidden ones too.
  static func isPassedOver(_ entry: Folder.Entry) -> Bool {
    entry.isHidden
      || [
        "__MACOSX", "@eaDir", "@Recycle", "#recycle", "$RECYCLE.BIN", "System Volume Information",
        "lost+found",
      ].contains(entry.name)
  }
}

extension FolderFiles {
  /// The pictures below `folder`, at any depth, by their names' bytes: what `predict` takes.
  ///
  /// A folder that links lead to twice is taken once.
  /// - Returns: also what was passed over, a line.
  /// - Throws: `PictureError` for a folder that cannot be listed, or holds no picture.
  static func all(below folder: String) throws(PictureError) -> (paths: [String], notes: [String]) {
    var found = FolderFiles()
    var seen: Set<[UInt64]> = []
    try found.collect(folder, "", &seen)
    guard !found.pictures.isEmpty else { throw PictureError(path: folder, "no picture is in it") }
    let sorted = found.pictures.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    return (sorted.map { "\(folder)/\($0)" }, note(passedOver: found.others, in: folder))
  }

  private init() {}

  private mutating func collect(
    _ root: String, _ prefix: String, _ seen: inout Set<[UInt64]>
  ) throws(PictureError) {
    let folder = prefix.isEmpty ? root : "\(root)/\(prefix)"
    guard seen.insert(Folder.identity(folder)).inserted else { return }
    for entry in try Folder.listAll(folder) {
      let name = prefix.isEmpty ? entry.name : "\(prefix)/\(entry.name)"
      if !entry.isFolder {
        var one = FolderFiles()
        one.add(entry, in: folder)
        pictures += one.pictures.map { _ in name }
        others += one.others.map { _ in name }
      } else if !Self.isPassedOver(entry) {
        try collect(root, name, &seen)
      }
    }
  }

  /// A line about files that were passed over; none for none.
  static func note(passedOver names: [String], in folder: String) -> [String] {
    note(names, "hidden or no picture, and passed over", in: folder)
  }

  /// A line that names the first five of `names`.
  static func note(_ names: [String], _ what: String, in folder: String) -> [String] {
    guard !names.isEmpty else { return [] }
    let count = names.count == 1 ? "1 file" : "\(names.count) files"
    let shown = PictureFolder.listed(names)
    return [PictureError(path: folder, "\(count) \(what): \(shown)").description]
  }
}
