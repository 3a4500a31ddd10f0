// A plain file, opened once and read in pieces: whatever has the file's name cannot make us wait.

import Foundation

/// A plain file that is open for reading.
///
/// Nothing is locked: another process may hold a lock on it.
package final class PlainFile: Sendable {
  /// What is read whole has at most so many bytes.
  private static let mostText = 1 << 28

  /// The file, as it was named.
  package let path: String
  /// Its bytes, when it was opened.
  package let size: Int
  private let descriptor: Int32
  /// Who may read and write it; nil where it is another user's.
  private let mode: mode_t?

  /// Opens the file at `path`.
  /// - Parameter followingLinks: whether `path` may be a symbolic link.
  /// - Throws: `FileError` where it is missing, or no plain file: a folder, a pipe, a device.
  package init(_ path: String, followingLinks: Bool = true) throws {
    self.path = path
    // Without blocking: a pipe that nobody writes to would otherwise wait here for ever.
    let flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | (followingLinks ? 0 : O_NOFOLLOW)
    descriptor = open(path, flags)
    guard descriptor >= 0 else {
      switch errno {
      case ELOOP where !followingLinks:
        throw FileError("\(path): a symbolic link, not a plain file: remove it")
      case ENXIO: throw FileError("\(path): not a file")
      case EWOULDBLOCK: throw FileError("\(path): another program holds it")
      default: throw Self.failure(path)
      }
    }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else {
      (size, mode) = (0, nil)
      throw Self.failure(path)
    }
    guard status.st_mode & S_IFMT == S_IFREG else {
      (size, mode) = (0, nil)
      throw FileError("\(path): not a file")
    }
    size = Int(status.st_size)
    mode = status.st_uid == geteuid() ? status.st_mode & 0o777 : nil
  }

  deinit { if descriptor >= 0 { close(descriptor) } }

  /// Refuses a file of this user's that others may read or write, as ssh refuses such a key.
  ///
  /// Of another user's file nothing is asked: this one could not change it.
  /// - Throws: `FileError` that says how to mend it.
  package func refuseOpenToOthers() throws(FileError) {
    guard let mode, mode & 0o077 != 0 else { return }
    let octal = String(mode, radix: 8)
    throw FileError(
      "\(path): others may read or write this file, whose mode is \(octal), and what it holds "
        + "must stay secret: chmod 600 \(path)")
  }

  /// Fills `memory` with the bytes from `offset` on.
  /// - Throws: `FileError` where the file has fewer, or the disk fails.
  package func read(at offset: Int, into memory: UnsafeMutableRawBufferPointer) throws {
    guard offset >= 0, offset <= size, memory.count <= size - offset else {
      throw FileError("\(path): ends early")
    }
    guard let count = PlainFiles.read(descriptor, at: offset, into: memory) else {
      throw Self.failure(path)
    }
    guard count == memory.count else {
      throw FileError("\(path): became shorter while it was read")
    }
  }

  /// The `count` bytes from `offset` on.
  /// - Throws: `FileError` where the file has fewer, or the disk fails.
  package func bytes(at offset: Int, count: Int) throws -> [UInt8] {
    guard offset >= 0, count >= 0, offset <= size, count <= size - offset else {
      throw FileError("\(path): ends early")
    }
    return try [UInt8](unsafeUninitializedCapacity: count) { memory, initialized in
      try read(at: offset, into: UnsafeMutableRawBufferPointer(memory))
      initialized = count
    }
  }

  /// All of it, where it is a text.
  /// - Throws: `FileError`.
  package func text() throws -> String {
    guard size <= Self.mostText else {
      throw FileError("\(path): \(size) bytes are too many for a text")
    }
    let bytes = try bytes(at: 0, count: size)
    if let text = String(validating: bytes, as: UTF8.self) { return text }
    throw FileError("\(path): no text in UTF-8")
  }

  private static func failure(_ path: String) -> FileError {
    FileError("\(path): \(lastError())")
  }
}
