import Coordination
import Engine
import Foundation
import KerasFiles
import Pictures
import Primitives
import TestSupport
import Testing
import Training
import Wire

/// A worker that gets its pictures from a coordinator, good ones and hostile ones.
@Suite struct PictureFetchTests {
  /// Used on one thread alone.
  private final class Link: CoordinatorLink, @unchecked Sendable {
    var wanted: [Int] = []
    var isReady = false
    func send(_ message: WorkerMessage) {
      switch message {
      case .wants(let pictures): wanted += pictures.pictures
      case .ready: isReady = true
      default: break
      }
    }
    func close() {}
    var bytesPerSecond: Double? { nil }
  }

  private static let nonsense = "the coordinator's welcome makes no sense"

  private let run: TinyRun
  private let folder: TemporaryFolder
  private var entries: [ManifestEntry] { run.job.manifest.training + run.job.manifest.validation }

  init() throws {
    run = try TinyRun()
    folder = try TemporaryFolder()
  }

  private func cache(limit: Int = 1 << 30) throws -> PictureCache {
    try PictureCache(folder: folder.file("cache"), limit: limit)
  }

  private var kept: [String] {
    ((try? FileManager.default.contentsOfDirectory(atPath: folder.file("cache"))) ?? []).sorted()
  }

  /// All files below the test's folder, to see that none was made outside the cache.
  private func others() throws -> [String] {
    try FileManager.default.subpathsOfDirectory(atPath: folder.path)
      .filter { !$0.hasPrefix("cache") }
  }

  private func welcome(
    _ manifest: Manifest? = nil, json: String? = nil
  ) throws -> CoordinatorMessage {
    let text = try JSONEncoder().encode(manifest ?? run.job.manifest)
    return .welcome(
      Welcome(
        worker: 0, model: KerasConfiguration.encode(run.job.architecture),
        floats: run.job.architecture.parameters.bufferCount,
        optimizer: run.job.hyperparameters.optimizer,
        batchSize: run.job.hyperparameters.batchSize, batchesPerUpdate: 1,
        pictures: run.job.hyperparameters.pictures.description,
        augmentation: run.job.hyperparameters.augmentation.description, seed: 1,
        manifest: json ?? String(decoding: text, as: UTF8.self)))
  }

  private func worker(
    data: String? = nil, limit: Int = 1 << 30
  ) throws -> (worker: WorkerHost, link: Link) {
    let worker = WorkerHost(
      pictures: .fetched(data: data, cache: try cache(limit: limit)), threads: 1,
      kernels: .baseline)
    let link = Link()
    worker.begin(link)
    return (worker, link)
  }

  /// Sends what is wanted, `size` bytes at a time.
  /// - Returns: how the worker's time ends, where it does.
  private func serve(
    _ worker: WorkerHost, _ link: Link, size: Int = 100,
    _ change: (Int, inout [UInt8]) -> Void = { _, _ in }
  ) throws -> WorkerEnding? {
    while !link.wanted.isEmpty {
      let picture = link.wanted.removeFirst()
      var bytes = Array(
        try Data(contentsOf: URL(fileURLWithPath: "\(run.data)/\(entries[picture].path)")))
      change(picture, &bytes)
      for start in stride(from: 0, to: bytes.count, by: size) {
        let piece = PicturePiece(
          picture: picture, offset: start,
          bytes: Array(bytes[start..<min(start + size, bytes.count)]))
        if let ending = worker.step(.message(.picture(piece)), link) { return ending }
      }
    }
    return nil
  }

  @Test func eachPictureIsFetchedOnceAndKeptForTheNextRun() throws {
    let (first, link) = try worker()
    #expect(first.step(.message(try welcome()), link) == nil)
    #expect(link.wanted.sorted() == Array(entries.indices) && !link.isReady)
    #expect(try serve(first, link) == nil)
    #expect(link.isReady)
    #expect(kept == entries.map(\.digest.description).sorted())
    // Another process finds them all.
    let (second, again) = try worker()
    #expect(second.step(.message(try welcome()), again) == nil)
    #expect(again.wanted.isEmpty && again.isReady)
  }

  /// What had come stays where the connection was lost; what was damaged since is fetched again.
  @Test func onlyWhatIsMissingIsFetched() throws {
    let (first, link) = try worker()
    #expect(first.step(.message(try welcome()), link) == nil)
    link.wanted = Array(link.wanted.prefix(10))
    _ = try serve(first, link)
    #expect(kept.count == 10 && !link.isReady)
    let damaged = entries[3].digest.description
    try folder.write(Data(count: entries[3].bytes), to: "cache/\(damaged)")
    let (second, again) = try worker()
    #expect(second.step(.message(try welcome()), again) == nil)
    #expect(again.wanted.sorted() == [3] + entries.indices.dropFirst(10))
    #expect(try serve(second, again) == nil)
    #expect(again.isReady && kept.count == entries.count)
  }

  @Test func localFilesServeWhereTheyAreTheSame() throws {
    let changed = "\(run.data)/\(entries[5].path)"
    let whole = try Data(contentsOf: URL(fileURLWithPath: changed))
    let copy = folder.file("copy")
    try FileManager.default.copyItem(atPath: run.data, toPath: copy)
    try Data(whole.reversed()).write(to: URL(fileURLWithPath: "\(copy)/\(entries[5].path)"))
    try FileManager.default.removeItem(atPath: "\(copy)/\(entries[30].path)")
    let (worker, link) = try worker(data: copy)
    #expect(worker.step(.message(try welcome()), link) == nil)
    #expect(link.wanted.sorted() == [5, 30])
    #expect(try serve(worker, link) == nil)
    #expect(link.isReady && kept.count == 2)
  }

  @Test(arguments: ["a flipped bit", "too long", "too short", "another picture", "no JPEG"])
  func aHostileCoordinatorsPicture(_ harm: String) throws {
    let (worker, link) = try worker()
    #expect(worker.step(.message(try welcome()), link) == nil)
    let ending = try serve(worker, link) { picture, bytes in
      switch harm {
      case "a flipped bit": bytes[50] ^= 1
      case "too long": bytes.append(0)
      case "too short": bytes.removeLast(10)
      case "another picture" where picture > 3: bytes = [UInt8](repeating: 0, count: bytes.count)
      case "no JPEG": bytes = [UInt8](repeating: 7, count: bytes.count)
      default: break
      }
    }
    guard case .refused(let reason)? = ending else {
      Issue.record("\(String(describing: ending))")
      return
    }
    #expect(reason.hasPrefix("the coordinator sent a picture that "), "\(reason)")
    #expect(!link.isReady)
  }

  @Test func piecesThatNobodyAskedFor() throws {
    let (worker, link) = try worker()
    let piece = PicturePiece(picture: 0, offset: 0, bytes: [1, 2, 3])
    #expect(worker.step(.message(.picture(piece)), link) == .refused(Self.nonsense))
    for (picture, offset) in [(1, 0), (0, 5), (1 << 31, 0)] {
      let (worker, link) = try self.worker()
      #expect(worker.step(.message(try welcome()), link) == nil)
      let piece = PicturePiece(
        picture: picture, offset: offset, bytes: [1, 2, 3])
      #expect(
        worker.step(.message(.picture(piece)), link)
          == .refused("the coordinator sent a picture that it was not asked for"))
    }
  }

  /// Paths that lead elsewhere, too many bytes, a size that none may have: nothing is touched.
  @Test func aHostileCoordinatorsManifest() throws {
    try folder.write(Data("mine".utf8), to: "secret.jpg")
    let before = try others()
    func ending(_ manifest: Manifest?, json: String? = nil) throws -> String? {
      let (worker, link) = try worker(data: folder.path)
      let welcome = try welcome(manifest, json: json)
      guard case .refused(let line)? = worker.step(.message(welcome), link) else { return nil }
      #expect(link.wanted.isEmpty && !link.isReady)
      return line
    }
    let json = String(decoding: try JSONEncoder().encode(run.job.manifest), as: UTF8.self)
    for path in ["../secret.jpg", "/etc/passwd", "train/../../secret.jpg", "", "a//b", "a/./b"] {
      let name = entries[0].path.replacingOccurrences(of: "/", with: "\\/")
      let bad = json.replacingOccurrences(of: name, with: path)
      #expect(bad != json)
      #expect(try ending(nil, json: bad) == Self.nonsense, "\(path)")
    }
    var manifest = run.job.manifest
    for (bytes, line) in [(1 << 40, "of a size that none may have"), (-1, "of a size that none")] {
      manifest.training[0].bytes = bytes
      #expect(try ending(manifest)?.contains(line) == true, "\(bytes)")
    }
    manifest.training[0].bytes = 1 << 28
    for index in 1..<20 {
      manifest.training[index].bytes = 1 << 28
      manifest.training[index].digest = Digest(high: 1, low: UInt64(index))
    }
    let much = try ending(manifest)
    #expect(much?.contains("say a larger --cache-size") == true, "\(much ?? "none")")
    #expect(try others() == before && kept.isEmpty)
  }

  /// Workers of one machine begin at different pictures, and none asks for what another has got.
  @Test(arguments: [2, 5, 1024]) func workersOfAMachineShareTheirPictures(_ first: Int) throws {
    var fetches = try [first, first + 1].map {
      try PictureFetch(run.job.manifest, data: nil, cache: cache(), worker: $0, ahead: 1)
    }
    var asked: [Int] = []
    while fetches.contains(where: { $0.missingCount > 0 }) {
      for index in fetches.indices {
        for picture in fetches[index].next() {
          asked.append(picture)
          let path = "\(run.data)/\(entries[picture].path)"
          let bytes = Array(try Data(contentsOf: URL(fileURLWithPath: path)))
          try fetches[index].take(PicturePiece(picture: picture, offset: 0, bytes: bytes))
        }
      }
    }
    #expect(asked.sorted() == Array(entries.indices))
    #expect(kept.count == entries.count)
  }

  /// What other runs needed longest ago goes first; what is no picture stays.
  @Test func theCacheIsBounded() throws {
    let (first, link) = try worker()
    #expect(first.step(.message(try welcome()), link) == nil)
    let bytes = entries.reduce(0) { $0 + $1.bytes }
    for (number, age) in [(1, 50), (2, 500)] {
      let name = Digest(high: 9, low: UInt64(number)).description
      let path = try folder.write([UInt8](repeating: 1, count: 1000), to: "cache/\(name)")
      try FileManager.default.setAttributes(
        [.modificationDate: Date(timeIntervalSinceNow: -Double(age))], ofItemAtPath: path)
    }
    try folder.write([1], to: "cache/notes.txt")
    // What two workers had begun to write that were killed.
    let partial = [1, 2].map { ".\($0)-\(entries[0].digest)" }
    for (name, age) in zip(partial, [60, 4000]) {
      let path = try folder.write([1], to: "cache/\(name)")
      try FileManager.default.setAttributes(
        [.modificationDate: Date(timeIntervalSinceNow: -Double(age))], ofItemAtPath: path)
    }
    let (second, again) = try worker(limit: bytes + 1500)
    #expect(second.step(.message(try welcome()), again) == nil)
    #expect(try serve(second, again) == nil)
    #expect(again.isReady)
    #expect(kept.contains("notes.txt"))
    #expect(kept.contains(partial[0]) && !kept.contains(partial[1]))
    #expect(kept.contains(Digest(high: 9, low: 1).description))
    #expect(!kept.contains(Digest(high: 9, low: 2).description))
    withExtendedLifetime(first) {}
  }
}
