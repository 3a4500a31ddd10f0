// Reading files whole, and replacing them so that a crash leaves the old one or the new one.

import Foundation

/// What run folders and model files do with the file system.
///
/// A folder may have been prepared by somebody else: no file is written through a link, nor read
/// through one where it must be the run's own.
package enum PlainFiles {
  /// Writes `bytes` beside `path`, syncs, and renames over it: whatever fails, what was at `path`
  /// stays whole.
  /// - Parameters:
  ///   - previous: what was at `path` is there afterwards.
  ///   - isPrivate: whether the owner alone may read it.
  /// - Throws: `FileError`.
  package static func replace(
    _ path: String, with bytes: Data, keeping previous: String? = nil, isPrivate: Bool = false
  ) throws(FileError) {
    let partial = path + ".partial"
    let file = try create(partial, for: path, isPrivate: isPrivate)
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

  /// Makes the file `path`, empty, in the place of a plain file that may be there.
  ///
  /// A new file each time: what is there may have another name too, whose bytes must stay.
  /// - Parameters:
  ///   - other: named where it cannot be made, in place of `path`.
  ///   - isPrivate: whether the owner alone may read it.
  /// - Returns: its descriptor, for writing.
  /// - Throws: `FileError`.
  package static func create(
    _ path: String, for other: String? = nil, isPrivate: Bool = false
  ) throws(FileError) -> Int32 {
    try refuseOther(path)
    unlink(path)
    let flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC
    let file = open(path, flags, isPrivate ? 0o600 : 0o644)
    guard file >= 0 else { throw failure(other ?? path, "cannot be written") }
    return file
  }

  /// Whether there is anything at `path`, be it a link that leads nowhere.
  package static func exists(_ path: String) -> Bool {
    var status = stat()
    return lstat(path, &status) == 0
  }

  /// Refuses anything at `path` but a plain file.
  /// - Throws: `FileError` that says what it is.
  package static func refuseOther(_ path: String) throws(FileError) {
    var status = stat()
    guard lstat(path, &status) == 0 else { return }
    let kind: String
    switch status.st_mode & S_IFMT {
    case S_IFREG: return
    case S_IFLNK: kind = "a symbolic link"
    case S_IFDIR: kind = "a folder"
    case S_IFIFO: kind = "a pipe"
    case S_IFSOCK: kind = "a socket"
    default: kind = "a device"
    }
    throw FileError("\(path): \(kind), where a run has a plain file: remove it")
  }

  /// Fills `memory` with an open file's bytes from `offset` on, as far as there are any.
  /// - Returns: how many there were; nil leaves the reason in `errno`.
  package static func read(
    _ file: Int32, at offset: Int = 0, into memory: UnsafeMutableRawBufferPointer
  ) -> Int? {
    var done = 0
    while done < memory.count {
      let rest = UnsafeMutableRawBufferPointer(rebasing: memory[done...])
      let count = pread(file, rest.baseAddress, rest.count, off_t(offset + done))
      if count < 0 && errno == EINTR { continue }
      if count < 0 { return nil }
      if count == 0 { break }
      done += count
    }
    return done
  }

  /// All of `bytes` at the end of an open file; false leaves the reason in `errno`.
  package static func writeAll(_ bytes: some ContiguousBytes, to file: Int32) -> Bool {
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
  /// - Parameter followingLinks: whether `path` may be a symbolic link.
  /// - Throws: `FileError`.
  package static func text(of path: String, followingLinks: Bool = false) throws -> String {
    try PlainFile(path, followingLinks: followingLinks).text()
  }

  /// An error from `errno`.
  package static func failure(_ path: String, _ what: String) -> FileError {
    let (number, reason) = (errno, lastError())
    return FileError(
      "\(path): \(what): \(reason)",
      // Space and descriptors come back; permission has to be given.
      mayPass: [ENOSPC, EDQUOT, EFBIG, EIO, EMFILE, ENFILE, ENOMEM].contains(number))
  }

  /// Makes a rename last.
  ///
  /// Some file systems cannot sync a folder, and the rename has happened: a failure is none.
  private static func syncFolder(of path: String) {
    let folder = open(FilePath.parent(of: path), O_RDONLY | O_CLOEXEC)
    guard folder >= 0 else { return }
    fsync(folder)
    close(folder)
  }
}
