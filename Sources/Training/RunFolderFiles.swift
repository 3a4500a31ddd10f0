// Reading files whole, and replacing them so that a crash leaves the old one or the new one.

import Foundation
import Pictures

/// What run folders and model files do with the file system.
enum RunFolderFiles {
  /// Writes `bytes` beside `path`, syncs, and renames over it: whatever fails, what was at `path`
  /// stays whole.
  /// - Parameter previous: what was at `path` is there afterwards.
  /// - Throws: `RunFolderError`.
  static func replace(_ path: String, with bytes: Data, keeping previous: String? = nil) throws {
    let partial = path + ".partial"
    let file = open(partial, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    guard file >= 0 else { throw failure(path, "cannot be written") }
    let written = writeAll(bytes, to: file) && fsync(file) == 0
    let error = errno
    let closed = close(file) == 0
    // A second name for what is there, so that `path` and `previous` are whole files at every
    // moment. Where the file system has no such names, there is no previous one.
    let kept = previous.map { $0 + ".partial" }
    if let kept {
      unlink(kept)
      if link(path, kept) != 0 { errno = 0 }
    }
    guard written, closed, rename(partial, path) == 0 else {
      if !written { errno = error }
      let failure = failure(path, "cannot be written")
      unlink(partial)
      if let kept { unlink(kept) }
      throw failure
    }
    if let previous, let kept { rename(kept, previous) }
    syncFolder(of: path)
  }

  /// All of `bytes` at the end of an open file; false leaves the reason in `errno`.
  static func writeAll(_ bytes: Data, to file: Int32) -> Bool {
    bytes.withUnsafeBytes { bytes in
      var done = 0
      while done < bytes.count {
        let count = write(file, bytes.baseAddress! + done, bytes.count - done)
        if count < 0 && errno == EINTR { continue }
        if count <= 0 { return false }
        done += count
      }
      return true
    }
  }

  /// A text file, whole.
  /// - Throws: `RunFolderError`.
  static func text(of path: String) throws -> String {
    do {
      let bytes = try Data(contentsOf: fileURL(path))
      if let text = String(validating: bytes, as: UTF8.self) { return text }
    } catch {
      throw RunFolderError("\(path): \(reason(error))")
    }
    throw RunFolderError("\(path): no text in UTF-8")
  }

  /// An error from `errno`.
  static func failure(_ path: String, _ what: String) -> RunFolderError {
    let number = errno
    return RunFolderError(
      "\(path): \(what): \(String(cString: strerror(number)))",
      // Space and descriptors come back; permission has to be given.
      mayPass: [ENOSPC, EDQUOT, EIO, EMFILE, ENFILE, ENOMEM].contains(number))
  }

  /// Makes a rename last.
  ///
  /// Some file systems cannot sync a folder, and the rename has happened: a failure is none.
  private static func syncFolder(of path: String) {
    let folder = open(Folder.parent(of: path), O_RDONLY | O_CLOEXEC)
    guard folder >= 0 else { return }
    fsync(folder)
    close(folder)
  }
}
