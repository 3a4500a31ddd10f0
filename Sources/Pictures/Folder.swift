import Foundation

/// Listing folders, with errors that say what to do.
package enum Folder {
  /// The visible names in the folder `path`, in the order of their bytes, and whether each is a
  /// folder itself.
  /// - Throws: `PictureError` for a folder that cannot be listed, or has a name not in UTF-8.
  static func list(_ path: String) throws(PictureError) -> [(name: String, isFolder: Bool)] {
    guard let folder = opendir(path) else {
      switch errno {
      case ENOENT: throw PictureError(path: path, "no such folder")
      case ENOTDIR: throw PictureError(path: path, "not a folder")
      default: throw PictureError(path: path, "cannot be listed: \(lastError())")
      }
    }
    defer { closedir(folder) }
    var found: [(name: String, isFolder: Bool)] = []
    while let entry = readdir(folder) {
      let bytes = withUnsafeBytes(of: &entry.pointee.d_name) { Array($0.prefix { $0 != 0 }) }
      let name = String(decoding: bytes, as: UTF8.self)
      guard name.utf8.elementsEqual(bytes) else {
        throw PictureError(
          path: "\(path)/\(name)", "a name that is not in UTF-8: rename it, or remove it")
      }
      if name.hasPrefix(".") { continue }
      found.append((name, isFolder("\(path)/\(name)")))
    }
    return found.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
  }

  /// Whether there is nothing in the folder `path`, hidden files included.
  static func isEmpty(_ path: String) throws(PictureError) -> Bool {
    guard try list(path).isEmpty else { return false }
    return (try? FileManager.default.contentsOfDirectory(atPath: path).isEmpty) ?? false
  }

  /// Makes the folder `path` and those above it where they are missing.
  /// - Returns: the folders that were made, outermost first.
  @discardableResult
  static func create(_ path: String) throws(PictureError) -> [String] {
    if isFolder(path) { return [] }
    let above = try create(parent(of: path))
    guard mkdir(path, 0o777) == 0 else {
      let reason = lastError()
      for folder in above.reversed() { rmdir(folder) }
      throw PictureError(path: path, "cannot be made: \(reason)")
    }
    return above + [path]
  }

  /// The folder that `path` lies in, `.` for a bare name.
  ///
  /// (Foundation's `deletingLastPathComponent` of Swift 6.3 ends the program at a name of one
  /// letter.)
  package static func parent(of path: String) -> String {
    var name = path.utf8[...]
    while name.count > 1, name.last == UInt8(ascii: "/") { name.removeLast() }
    guard let slash = name.lastIndex(of: UInt8(ascii: "/")) else { return "." }
    return slash == name.startIndex ? "/" : String(Substring(name[..<slash]))
  }

  /// Whether `path` is a folder, or a link to one.
  static func isFolder(_ path: String) -> Bool { kind(path) == S_IFDIR }

  /// Whether anything is at `path`.
  static func exists(_ path: String) -> Bool { kind(path) != nil }

  private static func kind(_ path: String) -> mode_t? {
    var status = stat()
    return stat(path, &status) == 0 ? status.st_mode & S_IFMT : nil
  }
}
