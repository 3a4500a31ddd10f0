import Foundation
import Primitives

/// A folder that appears whole or not at all: it is filled beside its place and then renamed.
enum StagedFolder {
  /// Calls `fill` with a temporary folder beside `destination` and renames it to `destination`.
  /// - Throws: `PictureError` where `destination` exists and is not an empty folder, or what
  ///   `fill` throws; nothing is left behind then.
  static func build(
    _ destination: String, _ fill: (_ folder: String) throws(PictureError) -> Void
  ) throws(PictureError) {
    if Folder.exists(destination) {
      guard Folder.isFolder(destination) else {
        throw PictureError(path: destination, "exists and is not a folder")
      }
      guard try Folder.isEmpty(destination) else {
        throw PictureError(
          path: destination, "not empty: nothing is overwritten, give a new folder or empty it")
      }
    }
    var place = destination
    while place.count > 1 && place.hasSuffix("/") { place.removeLast() }
    let made = try Folder.create(FilePath.parent(of: place))
    var template = Array("\(place).partial-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else {
      let reason = lastError()
      for folder in made.reversed() { rmdir(folder) }
      throw PictureError(path: place, "cannot be made: \(reason)")
    }
    let staged = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
    do throws(PictureError) {
      try fill(staged)
      chmod(staged, 0o755)
      guard rename(staged, place) == 0 else {
        throw PictureError(path: place, "cannot be made: \(lastError())")
      }
    } catch {
      try? FileManager.default.removeItem(atPath: staged)
      for folder in made.reversed() { rmdir(folder) }
      throw error
    }
  }
}
