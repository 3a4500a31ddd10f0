import Foundation
import Pictures
import Synchronization

/// Drawn cats and dogs for tests, drawn once and then copied.
package enum DrawnPictures {
  private struct Key: Hashable {
    let counts: [Int]
    let seed: UInt64
  }

  /// The files of each set that was asked for, by their paths in its folder.
  private static let drawn = Mutex<[Key: [String: Data]]>([:])

  /// Writes what `dogsled sample FOLDER` draws with these counts and this seed.
  package static func write(
    to folder: String, train: Int, validation: Int, test: Int, seed: UInt64 = 1
  ) throws {
    let key = Key(counts: [train, validation, test], seed: seed)
    let files = try drawn.withLock { drawn in
      if let files = drawn[key] { return files }
      let files = try draw(.init(train: train, validation: validation, test: test), seed: seed)
      drawn[key] = files
      return files
    }
    let root = URL(fileURLWithPath: folder)
    for folder in Set(files.keys.map { ($0 as NSString).deletingLastPathComponent }) {
      try FileManager.default.createDirectory(
        at: root.appendingPathComponent(folder), withIntermediateDirectories: true)
    }
    for (path, bytes) in files { try bytes.write(to: root.appendingPathComponent(path)) }
  }

  private static func draw(
    _ counts: BookLayout.Counts, seed: UInt64
  ) throws -> [String: Data] {
    let place = try TemporaryFolder()
    _ = try BookLayout.sample(to: place.file("data"), counts, seed: seed)
    let paths = try FileManager.default.subpathsOfDirectory(atPath: place.file("data"))
    return try paths.filter { $0.hasSuffix(".jpg") }.reduce(into: [:]) {
      $0[$1] = try place.contents("data/\($1)")
    }
  }
}
