import Engine
import Foundation
import Primitives

/// Decoded, resized pictures by their index in a list of entries.
///
/// Threads of its own decode ahead; a caller that must wait decodes too. As many pictures as the
/// memory limit allows are kept for good, the rest come and go. Thread-safe.
public final class PictureStore: Sendable {
  private let core: StoreCore

  /// A store of the files `folder`/`entry.path`.
  /// - Parameters:
  ///   - threads: that decode ahead; with 0 only callers decode.
  ///   - memoryLimit: bytes of pixels to keep.
  /// - Throws: where the threads cannot be had.
  public init(
    folder: String, entries: [ManifestEntry], height: Int, width: Int,
    settings: PictureSettings, threads: Int, memoryLimit: Int
  ) throws(ThreadError) {
    let loader = PictureLoader(
      folder: folder, entries: entries, height: height, width: width,
      settings: settings)
    core = StoreCore(
      loader, capacity: memoryLimit / max(1, height * width * 3), threads: threads)
    try core.start()
  }

  private init(_ core: StoreCore) throws(ThreadError) {
    self.core = core
    try core.start()
  }

  deinit { core.stop() }

  /// The pictures' entries.
  public var entries: [ManifestEntry] { core.loader.entries }

  /// How many pictures are kept at the moment.
  public var keptCount: Int { core.keptCount }

  /// Starts decoding everything in order, up to the memory limit, and returns at once.
  public func decodeAll() { core.ask(Array(entries.indices), .background) }

  /// Starts decoding these pictures before anything that `decodeAll` asked for, and returns at
  /// once.
  public func prefetch(_ indices: [Int]) { core.ask(indices, .soon) }

  /// The pictures at `indices`, in that order; waits for those that are not there yet.
  /// - Throws: the `PictureError` of the first that cannot be decoded, or whose file is no longer
  ///   what its digest says.
  public func pictures(_ indices: [Int]) throws(PictureError) -> [DecodedPicture] {
    var pictures: [DecodedPicture] = []
    for result in core.collect(indices) { pictures.append(try result.get()) }
    return pictures
  }

  /// Decodes every picture and keeps as many as the limit allows.
  /// - Returns: all that cannot be decoded or whose digest differs, with what is wrong with each.
  public func check() -> [(index: Int, error: PictureError)] {
    var bad: [(index: Int, error: PictureError)] = []
    let chunk = 64
    for start in stride(from: 0, to: entries.count, by: chunk) {
      let indices = Array(start..<min(start + chunk, entries.count))
      let next = indices.count + start..<min(start + 2 * chunk, entries.count)
      core.ask(indices + next, .soon)
      for (index, result) in zip(indices, core.collect(indices)) {
        if case .failure(let error) = result { bad.append((index, error)) }
      }
    }
    return bad
  }

  /// A store without the entries at `indices`, which keeps what this one has decoded.
  /// - Throws: where its threads cannot be had.
  public func leavingOut(_ indices: Set<Int>) throws(ThreadError) -> PictureStore {
    try PictureStore(core.leavingOut(indices))
  }
}

/// Reads, verifies, decodes and resizes one picture.
struct PictureLoader: Sendable {
  let folder: String
  var entries: [ManifestEntry]
  let height: Int
  let width: Int
  let settings: PictureSettings

  func load(_ index: Int) -> Result<DecodedPicture, PictureError> {
    let entry = entries[index]
    let path = "\(folder)/\(entry.path)"
    return Result { () throws(PictureError) in
      let size = min(max(entry.bytes, 0), FileBytes.maximumBytes)
      return try DecodingBudget.files.with(size) { () throws(PictureError) in
        let file = try FileBytes(path: path)
        guard file.bytes.count == entry.bytes, file.digest == entry.digest else {
          throw PictureError(path: path, "not the file that the run started with (digest differs)")
        }
        do throws(PictureError) {
          return try settings.picture(file.bytes, height: height, width: width)
        } catch {
          throw error.about(path)
        }
      }
    }
  }
}
