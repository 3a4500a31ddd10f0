// A plain file, opened once and read in pieces: whatever has the file's name cannot make us wait.

import Foundation

/// A plain file that is open for reading.
///
/// Nothing is locked: another process may hold a lock on it.
package final class PlainFile: Sendable {
  /// The file, as it was named.
  package let path: String
  /// Its bytes, when it was opened.
  package let size: Int
  private let descriptor: Int32

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
      size = 0
      throw Self.failure(path)
    }
    guard status.st_mode & S_IFMT == S_IFREG else {
      size = 0
      throw FileError("\(path): not a file")
    }
    size = Int(status.st_size)
  }

  deinit { if descriptor >= 0 { close(descriptor) } }

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

  private static func failure(_ path: String) -> FileError {
    FileError("\(path): \(lastError())")
  }
}
