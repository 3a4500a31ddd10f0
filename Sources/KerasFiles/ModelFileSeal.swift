// A digest at the end of a model file, behind what belongs to HDF5, where no other program looks.
//
// HDF5 itself finds no change in a weight. A file of ours, which its group of our own shows, must
// have an intact seal: without it nobody knows which of its weights, names and settings are as they
// were written. Files of others have no seal and are taken as they are.

import Engine
import Foundation
import Primitives

/// Seals model files and checks seals.
enum ModelFileSeal {
  private static let mark = Data("dogsled ".utf8)
  private static let digits = 32
  /// Twice what the largest model takes with one slot of an optimizer.
  private static let most = 4 << 30
  /// The bytes of a seal.
  static let length = mark.count + digits

  /// `image` with its seal.
  static func sealed(_ image: consuming Data) -> Data {
    let digest = image.withUnsafeBytes { Digest(of: $0) }
    // In place: a copy of a model takes as much memory again.
    image.append(mark)
    image.append(contentsOf: digest.description.utf8)
    return image
  }

  /// Whether `file` has a seal.
  /// - Throws: `ModelFileError` where it has one that is broken, or is too large to look;
  ///   `FileError`.
  static func isIntact(_ file: PlainFile) throws -> Bool {
    guard file.size >= length else { return false }
    guard file.size <= most else {
      throw ModelFileError(
        "\(file.path): \(file.size) bytes: no model that can be read is so large")
    }
    let seal = try file.bytes(at: file.size - length, count: length)
    // No other program ends a file in as many digits: with a damaged mark they are ours too.
    let hasDigits = seal.suffix(digits).allSatisfy { Character(UnicodeScalar($0)).isHexDigit }
    guard seal.starts(with: mark) || hasDigits else { return false }
    guard seal.starts(with: mark),
      try digest(of: file, upTo: file.size - length).description.utf8
        .elementsEqual(seal.suffix(digits))
    else { throw broken(file.path) }
    return true
  }

  /// What is said of a file of ours that is not as it was written.
  static func broken(_ path: String) -> ModelFileError {
    ModelFileError(
      "\(path): damaged, or changed by another program since Dogsled wrote it (its seal is "
        + "broken): take another copy, or open it with Keras and save it under a new name")
  }

  private static func digest(of file: PlainFile, upTo end: Int) throws -> Digest {
    var hasher = DigestHasher()
    var piece = [UInt8](repeating: 0, count: min(end, 1 << 20))
    for start in stride(from: 0, to: end, by: 1 << 20) {
      try piece.withUnsafeMutableBytes { piece in
        let part = UnsafeMutableRawBufferPointer(rebasing: piece[..<min(1 << 20, end - start)])
        try file.read(at: start, into: part)
        hasher.update(UnsafeRawBufferPointer(part))
      }
    }
    return hasher.finish()
  }
}

extension HDF5 {
  /// Opens the file at `path`, checks its seal, and hands its root group to `body`.
  /// - Parameter asCheckpoint: whether it must have a seal, and be no link.
  /// - Throws: `ModelFileError` where it is missing, no HDF5, damaged, or of ours and not as it was
  ///   written, and what `body` throws.
  package static func read<Result>(
    _ path: String, asCheckpoint: Bool = false, _ body: (HDF5Group) throws -> Result
  ) throws -> Result {
    do {
      let file = try PlainFile(path, followingLinks: !asCheckpoint)
      let isSealed = try ModelFileSeal.isIntact(file)
      let root = try HDF5File(file).root
      guard isSealed || !root.contains(ModelFile.Name.own) else {
        throw ModelFileSeal.broken(path)
      }
      guard isSealed || !asCheckpoint else {
        throw ModelFileError("\(path): no checkpoint: Dogsled did not write it (it has no seal)")
      }
      return try body(root)
    } catch let error as HDF5Error {
      throw ModelFileError("\(error)")
    } catch let error as FileError {
      throw ModelFileError("\(error)")
    }
  }
}
