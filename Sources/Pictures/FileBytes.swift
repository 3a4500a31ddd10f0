import Engine
import Foundation
import Primitives

/// A whole file in memory.
struct FileBytes: ~Copyable {
  let bytes: UnsafeRawBufferPointer

  /// Files beyond this are no photographs: refused before memory is allocated.
  static let maximumBytes = 256 << 20

  /// Reads the file at `path`.
  /// - Parameter head: reads so many bytes from its start, where it has more.
  /// - Throws: `PictureError` that names the file.
  init(path: String, head: Int? = nil) throws(PictureError) {
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
    let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: max(size, 1), alignment: 16)
    var count = 0
    while count < size {
      let got = read(file, memory.baseAddress! + count, size - count)
      if got < 0 && errno == EINTR { continue }
      guard got >= 0 else {
        let reason = lastError()
        memory.deallocate()
        throw PictureError(path: path, "cannot be read: \(reason)")
      }
      if got == 0 { break }
      count += got
    }
    bytes = UnsafeRawBufferPointer(start: memory.baseAddress, count: count)
  }

  var digest: Digest { Digest(of: bytes) }

  deinit { bytes.deallocate() }

  /// Writes `bytes` to a new file at `path`.
  /// - Throws: `PictureError` that names the file, also where it exists.
  static func write(_ bytes: UnsafeRawBufferPointer, to path: String) throws(PictureError) {
    let file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
    guard file >= 0 else { throw PictureError(path: path, "cannot be made: \(lastError())") }
    var count = 0
    while count < bytes.count {
      let put = Foundation.write(file, bytes.baseAddress! + count, bytes.count - count)
      if put < 0 && errno == EINTR { continue }
      guard put > 0 else {
        let reason = lastError()
        close(file)
        throw PictureError(path: path, "cannot be written: \(reason)")
      }
      count += put
    }
    guard close(file) == 0 else {
      throw PictureError(path: path, "cannot be written: \(lastError())")
    }
  }
}

/// What errno says, in words.
func lastError() -> String { String(cString: strerror(errno)) }
