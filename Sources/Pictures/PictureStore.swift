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
  ///   - memoryLimit: bytes of pixels, and of files that wait to be decoded, to keep.
  /// - Throws: where the threads cannot be had.
  public init(
    folder: String, entries: [ManifestEntry], decoder: PictureDecoder, threads: Int,
    memoryLimit: Int
  ) throws(ThreadError) {
    core = StoreCore(
      PictureLoader(folder: folder, entries: entries, decoder: decoder),
      memoryLimit: memoryLimit, threads: threads)
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
  package var keptCount: Int { core.keptCount }

  /// Starts reading every file and comparing it with its entry, and returns at once.
  ///
  /// The bytes are kept until they are decoded, as far as the memory limit allows: such a file is
  /// read once.
  public func startReading() { core.startReading() }

  /// Waits until the files are read that `startReading` began with; reads too.
  /// - Throws: `WrongFile` for the first, in their order, that is not what its entry says.
  public func finishReading() throws(WrongFile) { try core.finishReading() }

  /// Starts decoding everything in order, up to the memory limit, and returns at once.
  public func decodeAll() { core.ask(Array(entries.indices), .background) }

  /// Starts decoding these pictures before anything that `decodeAll` asked for, and returns at
  /// once.
  public func prefetch(_ indices: [Int]) { core.ask(indices, .soon) }

  /// The pictures at `indices`, in that order, with their labels; waits for those that are not
  /// there yet.
  /// - Throws: the `PictureError` of the first that cannot be decoded, or whose file is no longer
  ///   what its digest says.
  public func batch(_ indices: [Int]) throws(PictureError) -> Batch {
    var pictures: [DecodedPicture] = []
    for result in core.collect(indices) { pictures.append(try result.get()) }
    return Batch(
      pictures: pictures.map(\.bytes), labels: indices.map { entries[$0].label },
      owners: pictures)
  }

  /// The picture at `index`; waits where it is not there yet.
  /// - Throws: as `batch`.
  func picture(_ index: Int) throws(PictureError) -> DecodedPicture {
    try core.collect([index])[0].get()
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

/// A file that is not the one that a manifest's entry describes.
public enum WrongFile: Error, Hashable, Sendable {
  /// There is none at `path`, or it cannot be read.
  case unreadable(path: String)
  /// The one at `path` has other bytes.
  case different(path: String)
}

/// Reads, verifies, decodes and resizes one picture.
struct PictureLoader: Sendable {
  let folder: String
  var entries: [ManifestEntry]
  let decoder: PictureDecoder

  /// The file of the picture at `index`, where it is what its entry says.
  /// - Parameter room: where it is read into.
  func read(_ index: Int, into room: FilesAhead.Room?) -> Result<FileBytes, WrongFile> {
    let path = path(index)
    let file = try? DecodingBudget.files.with(size(index)) { () throws(PictureError) in
      try FileBytes(path: path, room: room)
    }
    guard let file else { return .failure(.unreadable(path: path)) }
    return entries[index].describes(file) ? .success(file) : .failure(.different(path: path))
  }

  /// The picture at `index`.
  /// - Parameter file: what `read` gave; without it the file is read, and compared with its entry.
  func load(_ index: Int, _ file: FileBytes?) -> Result<DecodedPicture, PictureError> {
    let (entry, path) = (entries[index], path(index))
    return Result { () throws(PictureError) in
      try DecodingBudget.files.with(size(index)) { () throws(PictureError) in
        if let file { return try decoder.decode(file, path) }
        let file = try FileBytes(path: path)
        guard entry.describes(file) else {
          throw PictureError(path: path, "not the file that the run started with (digest differs)")
        }
        return try decoder.decode(file, path)
      }
    }
  }

  /// The file's size, as far as it may be read: a manifest from elsewhere may say anything.
  func size(_ index: Int) -> Int {
    min(max(entries[index].bytes, 0), FileBytes.maximumBytes)
  }

  private func path(_ index: Int) -> String { "\(folder)/\(entries[index].path)" }
}
