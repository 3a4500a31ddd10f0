// libhdf5 as far as model files need it: groups, arrays of numbers, attributes of strings.
//
// The library is not thread-safe: everything happens inside `read` or `write`, which hold one lock.

import CHDF5
import Foundation

/// A file of HDF5, read or made as a whole.
package enum HDF5 {
  private static let lock = NSLock()

  /// Opens `path` for reading and hands its root group to `body`.
  /// - Throws: `ModelFileError` where it is missing, no HDF5 or damaged, and what `body` throws.
  package static func read<Result>(
    _ path: String, _ body: (borrowing HDF5Group) throws -> Result
  ) throws -> Result {
    try ModelFileSeal.check(path)
    return try lock.withLock {
      try prepareLibrary()
      let access = try HDF5Handle(
        H5Pcreate(chdf5_file_access()), H5Pclose, path, "libhdf5 has no memory")
      H5Pset_fclose_degree(access.id, H5F_CLOSE_STRONG)
      let file = try HDF5Handle(
        H5Fopen(path, chdf5_read_only(), access.id), H5Fclose, path,
        "a damaged HDF5 file, or one that is cut short")
      let root = try HDF5Group(opening: "/", in: file.id, path: path)
      return try body(root)
    }
  }

  /// The bytes of a file that `body` fills, made in memory.
  /// - Parameter path: the file that the bytes are for, named in errors.
  /// - Throws: `ModelFileError` where libhdf5 cannot do it, and what `body` throws.
  package static func image(
    for path: String, _ body: (borrowing HDF5Group) throws -> Void
  ) throws -> Data {
    try lock.withLock {
      try prepareLibrary()
      let access = try HDF5Handle(
        H5Pcreate(chdf5_file_access()), H5Pclose, path, "libhdf5 has no memory")
      H5Pset_fclose_degree(access.id, H5F_CLOSE_STRONG)
      H5Pset_fapl_core(access.id, 1 << 20, false)
      let file = try HDF5Handle(
        H5Fcreate("\(path) in memory", chdf5_truncate(), chdf5_default(), access.id), H5Fclose,
        path, "libhdf5 cannot make a file")
      do {
        let root = try HDF5Group(opening: "/", in: file.id, path: path)
        try body(root)
      }
      guard H5Fflush(file.id, H5F_SCOPE_GLOBAL) >= 0 else {
        throw ModelFileError("\(path): cannot be made: libhdf5 failed in its last step")
      }
      var image = Data(count: max(0, Int(H5Fget_file_image(file.id, nil, 0))))
      let count = image.withUnsafeMutableBytes {
        H5Fget_file_image(file.id, $0.baseAddress, $0.count)
      }
      guard count > 0, count == image.count else {
        throw ModelFileError("\(path): cannot be made: libhdf5 gave no file")
      }
      return image
    }
  }

  private static func prepareLibrary() throws {
    guard H5open() >= 0 else { throw ModelFileError("libhdf5 does not start") }
    chdf5_silence()
  }
}

/// An identifier of libhdf5 that closes itself.
struct HDF5Handle: ~Copyable {
  let id: hid_t
  private let close: (hid_t) -> herr_t

  /// - Throws: `ModelFileError` with `failure` where `id` is negative: libhdf5's way to say no.
  init(
    _ id: hid_t, _ close: @escaping (hid_t) -> herr_t, _ path: String, _ failure: String
  ) throws {
    guard id >= 0 else { throw ModelFileError("\(path): \(failure)") }
    self.id = id
    self.close = close
  }

  deinit { _ = close(id) }
}

/// A group of an HDF5 file, valid inside `HDF5.read` or `HDF5.image`.
package struct HDF5Group: ~Copyable {
  /// The file, for errors.
  package let path: String
  let handle: HDF5Handle

  init(opening name: String, in parent: hid_t, path: String) throws {
    self.path = path
    handle = try HDF5Handle(
      H5Gopen2(parent, name, chdf5_default()), H5Gclose, path, "has no group \(name)")
  }

  /// The group `name` in this one.
  /// - Throws: `ModelFileError` where it is not there.
  package func group(_ name: String) throws -> HDF5Group {
    try HDF5Group(opening: name, in: handle.id, path: path)
  }

  /// Whether there is a group or dataset `name` in this group (one level, no slashes).
  package func contains(_ name: String) -> Bool {
    H5Lexists(handle.id, name, chdf5_default()) > 0
  }
}

/// The file at `path`; Foundation would take a `~` at the start for the home folder.
package func fileURL(_ path: String) -> URL {
  URL(fileURLWithPath: path.hasPrefix("~") ? "./\(path)" : path)
}

/// What the system says went wrong, without Foundation's words around it.
package func reason(_ error: any Error) -> String {
  let error = error as NSError
  let system = (error.userInfo[NSUnderlyingErrorKey] as? NSError) ?? error
  if system.domain == NSPOSIXErrorDomain { return String(cString: strerror(Int32(system.code))) }
  switch CocoaError.Code(rawValue: error.code) {
  case .fileNoSuchFile, .fileReadNoSuchFile: return "No such file or directory"
  case .fileReadNoPermission, .fileWriteNoPermission: return "Permission denied"
  default: return error.localizedDescription
  }
}
