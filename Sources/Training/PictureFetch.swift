import Pictures
import Primitives
import Wire

/// The pictures of a run that a worker lacks: what to ask for next, and what becomes of what comes.
package struct PictureFetch {
  /// Bytes that are asked for and have not come: enough to keep a link busy, so few that few
  /// pictures wait at the coordinator.
  private let ahead: Int

  private let entries: [ManifestEntry]
  private let cache: PictureCache
  /// Those that are still to be asked for, the last first.
  private var rest: [Int]
  /// Those that were asked for, in order, and what has come of the first.
  private var open: [Int] = []
  private var openBytes = 0
  private var begun: [UInt8] = []
  /// What each entry's file is called here, once all have come.
  private var paths: [String]

  /// - Parameters:
  ///   - manifest: the coordinator's.
  ///   - data: a folder that may hold some of its files; nil for none.
  ///   - worker: its number, by which workers of one machine begin at different pictures: what one
  ///     has got the others need not ask for.
  /// - Throws: `FileError` where the cache has no room for what is missing.
  package init(
    _ manifest: Manifest, data: String?, cache: PictureCache, worker: Int, ahead: Int = 8 << 20
  ) throws(FileError) {
    entries = manifest.training + manifest.validation
    (self.cache, self.ahead) = (cache, ahead)
    paths = []
    rest = []
    var cached: [ManifestEntry] = []
    for (index, entry) in entries.enumerated() {
      let local = data.map { "\($0)/\(entry.path)" }
      if let local, PictureCache.isThere(entry, at: local) {
        paths.append(local)
      } else {
        paths.append(cache.path(of: entry))
        cached.append(entry)
        if !cache.has(entry) { rest.append(index) }
      }
    }
    // A file that two pictures have is sent once.
    var seen: Set<Digest> = []
    rest = rest.filter { seen.insert(entries[$0].digest).inserted }
    let missing = rest.map { entries[$0] }
    guard missing.allSatisfy({ (0...PictureCache.largest).contains($0.bytes) }) else {
      throw FileError("the coordinator names a picture of a size that none may have")
    }
    try cache.makeRoom(for: missing, keeping: cached)
    // Multiples of the golden ratio keep far from each other, however many there are.
    let start = (worker & 1023) * 633 % 1024 * rest.count / 1024
    rest = (rest[start...] + rest[..<start]).reversed()
  }

  /// Pictures that have not come.
  package var missingCount: Int { rest.count + open.count }

  /// What to ask for now; none where enough is on its way.
  package mutating func next() -> [Int] {
    var asked: [Int] = []
    while openBytes < ahead, asked.count < WantedPictures.most, let picture = rest.popLast() {
      guard !cache.has(entries[picture]) else { continue }
      asked.append(picture)
      openBytes += entries[picture].bytes
    }
    open += asked
    return asked
  }

  /// Some bytes came.
  /// - Throws: `WorkerError` where they are not what was asked for; `FileError` where they cannot
  ///   be kept.
  package mutating func take(_ piece: PicturePiece) throws {
    guard let first = open.first, piece.picture == first, piece.offset == begun.count,
      begun.count + piece.bytes.count <= entries[first].bytes
    else { throw WorkerError("the coordinator sent a picture that it was not asked for") }
    begun += piece.bytes
    guard begun.count == entries[first].bytes else { return }
    guard PictureCache.describes(entries[first], begun) else {
      throw WorkerError(
        "the coordinator sent a picture that is not the one of its manifest (digest differs)")
    }
    try cache.keep(begun, of: entries[first])
    openBytes -= begun.count
    begun = []
    open.removeFirst()
  }

  /// The manifest with paths from the root, of the files on this machine.
  /// - Parameter manifest: the coordinator's.
  func located(_ manifest: Manifest) -> Manifest {
    var located = manifest
    func place(_ entry: ManifestEntry, _ path: String) -> ManifestEntry {
      ManifestEntry(path: path, label: entry.label, digest: entry.digest, bytes: entry.bytes)
    }
    located.training = zip(manifest.training, paths).map(place)
    located.validation = zip(manifest.validation, paths.dropFirst(manifest.training.count)).map(
      place)
    return located
  }
}
