// A digest at the end of a model file, behind what belongs to HDF5, which does not look there.
//
// libhdf5 finds no change in a weight, and of some damage it dies: so our own files are checked
// before it sees them. Files of others, or ours that others wrote to, have no seal and are trusted.

import Engine
import Foundation

/// Seals model files and checks seals.
enum ModelFileSeal {
  private static let mark = Data("dogsled ".utf8)
  private static let length = mark.count + 32

  /// `image` with its seal.
  static func sealed(_ image: consuming Data) -> Data {
    let digest = image.withUnsafeBytes { Digest(of: $0) }
    // In place: a copy of a model takes as much memory again.
    image.append(mark)
    image.append(contentsOf: digest.description.utf8)
    return image
  }

  /// Checks that the file at `path` is HDF5 and, where it has a seal, that it is as it was sealed.
  /// - Throws: `ModelFileError`.
  static func check(_ path: String) throws {
    var status = stat()
    guard stat(path, &status) != 0 || status.st_mode & S_IFMT == S_IFREG else {
      throw ModelFileError("\(path): not a file")
    }
    let url = fileURL(path)
    let (start, bytes): (Data, Data)
    do {
      start = try FileHandle(forReadingFrom: url).read(upToCount: 8) ?? Data()
      bytes = try Data(contentsOf: url, options: .alwaysMapped)
    } catch {
      throw ModelFileError("\(path): \(reason(error))")
    }
    guard start.elementsEqual([0x89, 0x48, 0x44, 0x46, 0x0D, 0x0A, 0x1A, 0x0A]) else {
      throw ModelFileError("\(path): not a model file: a Keras model in HDF5 (.h5) was expected")
    }
    let seal = bytes.suffix(length)
    guard seal.starts(with: mark) else { return }
    let digest = bytes.dropLast(length).withUnsafeBytes { Digest(of: $0) }
    guard seal.dropFirst(mark.count).elementsEqual(digest.description.utf8) else {
      throw ModelFileError("\(path): damaged: it is not what was written (its digest differs)")
    }
  }
}
