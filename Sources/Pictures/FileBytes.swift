import Foundation
import Primitives

/// A whole file in memory; nobody writes to it any more.
package final class FileBytes: @unchecked Sendable {
  /// The file's bytes.
  package let bytes: UnsafeRawBufferPointer
  /// What the memory belongs to, where that is not the file itself.
  let block: FileBlock?

  /// Files beyond this are no photographs: refused before memory is allocated.
  static let maximumBytes = 256 << 20

  /// Reads the file at `path`.
  /// - Parameters:
  ///   - head: reads so many bytes from its start, where it has more.
  ///   - room: where a file of that size is read into.
  /// - Throws: `PictureError` that names the file.
  package init(
    path: String, head: Int? = nil, room: FilesAhead.Room? = nil
  ) throws(PictureError) {
    // Without blocking: a pipe that nobody writes to would otherwise wait here for ever.
    let file = FileName.withPath(path) { open($0, O_RDONLY | O_CLOEXEC | O_NONBLOCK) }
    guard file >= 0 else { throw PictureError(path: path, "cannot be opened: \(lastError())") }
    defer { close(file) }
    var status = stat()
    guard fstat(file, &status) == 0 else {
      throw PictureError(path: path, "cannot be read: \(lastError())")
    }
    guard status.st_mode & S_IFMT == S_IFREG else {
      throw PictureError(path: path, "not a file")
    }
    let size = min(Int(status.st_size), head ?? .max)
    guard size <= Self.maximumBytes else {
      throw PictureError(path: path, "\(size) bytes: more than the 256 MiB that a picture may have")
    }
    let memory: UnsafeMutableRawBufferPointer
    if let room, room.memory.count == size {
      (memory, block) = (room.memory, room.block)
    } else {
      (memory, block) = (.allocate(byteCount: max(size, 1), alignment: 16), nil)
    }
    guard let count = PlainFiles.read(file, into: .init(rebasing: memory[..<size])) else {
      let reason = lastError()
      if block == nil { memory.deallocate() }
      throw PictureError(path: path, "cannot be read: \(reason)")
    }
    bytes = UnsafeRawBufferPointer(start: memory.baseAddress, count: count)
  }

  var digest: Digest { Digest(of: bytes) }

  deinit { if block == nil { bytes.deallocate() } }

  /// Writes `bytes` to a new file at `path`.
  /// - Throws: `PictureError` that names the file, also where it exists.
  static func write(_ bytes: UnsafeRawBufferPointer, to path: String) throws(PictureError) {
    let file = FileName.withPath(path) { open($0, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666) }
    guard file >= 0 else { throw PictureError(path: path, "cannot be made: \(lastError())") }
    guard PlainFiles.writeAll(bytes, to: file) else {
      let reason = lastError()
      close(file)
      throw PictureError(path: path, "cannot be written: \(reason)")
    }
    guard close(file) == 0 else {
      throw PictureError(path: path, "cannot be written: \(lastError())")
    }
  }
}
