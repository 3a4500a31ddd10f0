import Foundation
import Primitives

/// A folder of pictures by their digests, shared by the runs of a machine.
///
/// A file's name is its digest, whatever a manifest calls it: nobody who sends a manifest chooses a
/// path. The files that were used longest ago go where there is no more room.
public struct PictureCache: Sendable {
  /// The largest file that may be a picture, in bytes.
  package static let largest = FileBytes.maximumBytes

  /// Seconds after which nobody goes on writing a file: whoever began it was killed.
  private static let partialSeconds = 3600

  /// The folder.
  public let folder: String
  /// The most bytes of all files.
  private let limit: Int

  /// The cache in `folder`, which is made where it is missing.
  /// - Parameter limit: bytes.
  /// - Throws: `FileError` where it cannot be made or written.
  public init(folder: String, limit: Int) throws(FileError) {
    (self.folder, self.limit) = (folder, limit)
    do {
      try FileManager.default.createDirectory(
        atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    } catch {
      throw FileError("\(folder): the folder for pictures cannot be made: \(reason(error))")
    }
    guard access(folder, W_OK | X_OK) == 0 else {
      throw PlainFiles.failure(folder, "pictures cannot be kept there")
    }
  }

  /// Where the file of a picture is, or would be.
  package func path(of entry: ManifestEntry) -> String { "\(folder)/\(entry.digest)" }

  /// Whether the picture's file is here, with the bytes that it must have; it counts as used now.
  package func has(_ entry: ManifestEntry) -> Bool {
    let path = path(of: entry)
    guard Self.isThere(entry, at: path) else { return false }
    utimes(path, nil)
    return true
  }

  /// Whether the file at `path` is the one that the entry describes.
  package static func isThere(_ entry: ManifestEntry, at path: String) -> Bool {
    var status = stat()
    guard FileName.withPath(path, { stat($0, &status) }) == 0,
      status.st_mode & S_IFMT == S_IFREG, Int(status.st_size) == entry.bytes,
      let file = try? FileBytes(path: path)
    else { return false }
    return entry.describes(file)
  }

  /// Whether `bytes` are those of the picture's file.
  package static func describes(_ entry: ManifestEntry, _ bytes: [UInt8]) -> Bool {
    bytes.count == entry.bytes && bytes.withUnsafeBytes { Digest(of: $0) } == entry.digest
  }

  /// Keeps the picture's file.
  /// - Throws: `FileError` where it cannot be written.
  package func keep(_ bytes: [UInt8], of entry: ManifestEntry) throws(FileError) {
    // Of two processes that keep the same one each has a name of its own until it is whole.
    let partial = "\(folder)/.\(getpid())-\(entry.digest)"
    let file = open(partial, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0o600)
    guard file >= 0 else { throw PlainFiles.failure(partial, "cannot be written") }
    let written = PlainFiles.writeAll(bytes, to: file)
    let closed = close(file) == 0
    guard written, closed, rename(partial, path(of: entry)) == 0 else {
      let failure = PlainFiles.failure(partial, "cannot be written")
      unlink(partial)
      throw failure
    }
  }

  /// Makes room for the files that are missing, of pictures that a run needs.
  /// - Parameters:
  ///   - missing: what is to come.
  ///   - needed: all that the run takes from here: what of it has come stays.
  /// - Throws: `FileError` where they are too many for the limit.
  package func makeRoom(
    for missing: [ManifestEntry], keeping needed: [ManifestEntry]
  ) throws(FileError) {
    guard !missing.isEmpty else { return }
    let names = Set(needed.map(\.digest.description))
    let coming = Self.bytes(of: missing)
    var (stays, others) = (0, [(path: String, bytes: Int, used: Int)]())
    for name in (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [] {
      let path = "\(folder)/\(name)"
      var status = stat()
      guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { continue }
      if isPartial(name), status.st_mtim.tv_sec < time(nil) - Self.partialSeconds { unlink(path) }
      // What is no picture of ours is nothing of ours.
      guard Digest(name) != nil else { continue }
      if names.contains(name) {
        stays += Int(status.st_size)
      } else {
        others.append((path, Int(status.st_size), status.st_mtim.tv_sec))
      }
    }
    guard coming <= limit, stays <= limit - coming else {
      throw FileError(
        "\(folder): the run's pictures take \(Self.gigabytes(coming, stays)) GB, and the cache may "
          + "have \(Self.gigabytes(limit, 0)): say a larger --cache-size")
    }
    var left = limit - coming - stays - others.reduce(0) { $0 + $1.bytes }
    for file in others.sorted(by: { $0.used < $1.used }) where left < 0 {
      unlink(file.path)
      left += file.bytes
    }
  }

  /// Whether a file is one of `keep`'s that is not whole.
  private func isPartial(_ name: String) -> Bool {
    let parts = name.dropFirst().split(separator: "-", maxSplits: 1)
    return name.hasPrefix(".") && parts.count == 2 && Int(parts[0]) != nil
      && Digest(String(parts[1])) != nil
  }

  /// All together; as many as can be where they are more.
  private static func bytes(of entries: [ManifestEntry]) -> Int {
    entries.reduce(0) { sum, entry in
      let (total, overflow) = sum.addingReportingOverflow(max(0, entry.bytes))
      return overflow ? .max : total
    }
  }

  private static func gigabytes(_ one: Int, _ other: Int) -> String {
    String(format: "%.3g", (Double(one) + Double(other)) / 1e9)
  }
}

/// The files of a run's pictures, for workers that lack them.
package struct PictureFiles: Sendable {
  private let folder: String
  private let entries: [ManifestEntry]

  /// Those of `manifest` in the data folder.
  package init(folder: String, manifest: Manifest) {
    self.folder = folder
    entries = manifest.training + manifest.validation
  }

  /// How many there are.
  package var count: Int { entries.count }

  /// The bytes of one, counted through the manifest.
  /// - Throws: `PictureError` where it is no longer the file that the run began with.
  package func bytes(of picture: Int) throws(PictureError) -> [UInt8] {
    let path = "\(folder)/\(entries[picture].path)"
    let file = try FileBytes(path: path)
    guard entries[picture].describes(file) else {
      throw PictureError(path: path, "not the file that the run started with (digest differs)")
    }
    return Array(file.bytes)
  }
}
