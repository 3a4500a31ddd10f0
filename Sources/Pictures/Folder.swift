import Foundation
import Primitives

/// Listing folders, with errors that say what to do.
package enum Folder {
  /// What stands in a folder.
  struct Entry {
    enum Kind { case file, folder, linkToNothing, device }
    /// As `FileName` writes it.
    let name: String
    /// What it is, or what it links to.
    let kind: Kind

    var isFolder: Bool { kind == .folder }
    var isHidden: Bool { name.utf8.first == UInt8(ascii: ".") }
  }

  /// What is in the folder `path`, in the order of the names' bytes, without hidden files.
  /// - Throws: `PictureError` for a folder that cannot be listed.
  static func list(_ path: String) throws(PictureError) -> [Entry] {
    try listAll(path).filter { !$0.isHidden }
  }

  /// What is in the folder `path`, hidden files included, in the order of the names' bytes.
  /// - Throws: `PictureError` for a folder that cannot be listed.
  static func listAll(_ path: String) throws(PictureError) -> [Entry] {
    guard let folder = FileName.withPath(path, { opendir($0) }) else {
      switch errno {
      case ENOENT:
        throw PictureError(path: path, isLink(path) ? "a link to nothing" : "no such folder")
      case ENOTDIR: throw PictureError(path: path, "not a folder")
      default: throw PictureError(path: path, "cannot be listed: \(lastError())")
      }
    }
    defer { closedir(folder) }
    var names: [[UInt8]] = []
    while let entry = readdir(folder) {
      let name = withUnsafeBytes(of: &entry.pointee.d_name) { Array($0.prefix { $0 != 0 }) }
      if name != Array(".".utf8), name != Array("..".utf8) { names.append(name) }
    }
    return names.sorted { $0.lexicographicallyPrecedes($1) }.map { bytes in
      let name = FileName.text(bytes)
      let place = "\(path)/\(name)"
      let found: Entry.Kind
      switch kind(place) {
      case S_IFDIR: found = .folder
      // What cannot be looked at is taken for a file: opening it says why.
      case nil: found = isLink(place) && errno != EACCES ? .linkToNothing : .file
      case S_IFREG: found = .file
      default: found = .device
      }
      return Entry(name: name, kind: found)
    }
  }

  /// Whether there is nothing in the folder `path`, hidden files included.
  static func isEmpty(_ path: String) throws(PictureError) -> Bool { try listAll(path).isEmpty }

  /// Makes the folder `path` and those above it where they are missing.
  /// - Returns: the folders that were made, outermost first.
  @discardableResult
  static func create(_ path: String) throws(PictureError) -> [String] {
    if isFolder(path) { return [] }
    let above = try create(FilePath.parent(of: path))
    guard FileName.withPath(path, { mkdir($0, 0o777) }) == 0 else {
      let reason = lastError()
      for folder in above.reversed() { rmdir(folder) }
      throw PictureError(path: path, "cannot be made: \(reason)")
    }
    return above + [path]
  }

  /// Whether `path` is a folder, or a link to one.
  static func isFolder(_ path: String) -> Bool { kind(path) == S_IFDIR }

  /// Whether anything is at `path`.
  package static func exists(_ path: String) -> Bool { kind(path) != nil }

  /// Whether `path` is a link, whatever it leads to; leaves `errno` alone.
  static func isLink(_ path: String) -> Bool {
    let error = errno
    defer { errno = error }
    var status = stat()
    return FileName.withPath(path) { lstat($0, &status) } == 0 && status.st_mode & S_IFMT == S_IFLNK
  }

  /// The same for two names of one folder, and for no two folders.
  static func identity(_ path: String) -> [UInt64] {
    var status = stat()
    _ = FileName.withPath(path) { stat($0, &status) }
    return [UInt64(status.st_dev), UInt64(status.st_ino)]
  }

  private static func kind(_ path: String) -> mode_t? {
    var status = stat()
    return FileName.withPath(path) { stat($0, &status) } == 0 ? status.st_mode & S_IFMT : nil
  }
}
