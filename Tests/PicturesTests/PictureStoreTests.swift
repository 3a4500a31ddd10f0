import Engine
import Foundation
import Pictures
import Primitives
import Synchronization
import Testing

@Suite struct PictureStoreTests {
  private static let side = 16
  private static let pictureBytes = side * side * 3

  private struct Files {
    let folder: TemporaryFolder
    var entries: [ManifestEntry] = []

    init(_ count: Int) throws {
      folder = try TemporaryFolder()
      for number in 0..<count {
        let file = try jpeg(number)
        try folder.write("\(number).jpg", file)
        entries.append(entry("\(number).jpg", file))
      }
    }

    func entry(_ name: String, _ bytes: [UInt8]) -> ManifestEntry {
      ManifestEntry(
        path: name, label: 0, digest: bytes.withUnsafeBytes { Digest(of: $0) },
        bytes: bytes.count)
    }

    /// A store that may keep `kept` pictures.
    func store(threads: Int, kept: Int) throws -> PictureStore {
      try PictureStore(
        folder: folder.path, entries: entries, height: side, width: side,
        settings: PictureSettings(), threads: threads, memoryLimit: kept * pictureBytes)
    }

    func expected(_ number: Int) throws -> [UInt8] {
      let picture = try JPEG.decode(path: "\(folder.path)/\(number).jpg")
      return try Resize.resize(picture, height: side, width: side, .nearest).array
    }
  }

  @Test(arguments: [0, 1, 3], [0, 4, 100])
  func givesThePicturesAskedFor(threads: Int, kept: Int) throws {
    let files = try Files(12)
    let store = try files.store(threads: threads, kept: kept)
    for indices in [[3, 1, 3], Array(0..<12), [11, 0]] {
      let pictures = try store.pictures(indices)
      #expect(pictures.count == indices.count)
      for (index, picture) in zip(indices, pictures) {
        #expect(picture.array == (try files.expected(index)))
      }
    }
    #expect(store.keptCount == min(kept, 12))
  }

  @Test func decodesAheadUpToTheLimit() async throws {
    let files = try Files(12)
    // One thread: of two, the second may fill the store while the first still has picture 0.
    let store = try files.store(threads: 1, kept: 8)
    store.decodeAll()
    for _ in 0..<1000 where store.keptCount < 8 { try await Task.sleep(for: .milliseconds(5)) }
    #expect(store.keptCount == 8)
    // What is kept needs its file no longer; the first in order were kept.
    for number in 0..<8 {
      try FileManager.default.removeItem(atPath: "\(files.folder.path)/\(number).jpg")
    }
    #expect(try store.pictures(Array(0..<8)).count == 8)
  }

  @Test func prefetchedPicturesBeyondTheLimitAreThere() throws {
    let files = try Files(12)
    let store = try files.store(threads: 1, kept: 0)
    store.prefetch([5, 6])
    #expect(try store.pictures([5, 6]).map(\.array) == [files.expected(5), files.expected(6)])
    #expect(store.keptCount == 0)
  }

  @Test func checkListsEveryBadFileAtOnce() throws {
    var files = try Files(9)
    let whole = try jpeg(1)
    try files.folder.write("1.jpg", Array(whole.dropLast(200)))
    files.entries[1] = files.entry("1.jpg", Array(whole.dropLast(200)))
    try files.folder.write("4.jpg", Array("GIF89a".utf8))
    files.entries[4] = files.entry("4.jpg", Array("GIF89a".utf8))
    try FileManager.default.removeItem(atPath: "\(files.folder.path)/6.jpg")
    try files.folder.write("8.jpg", jpeg(3))
    for kept in [0, 100] {
      let store = try files.store(threads: 2, kept: kept)
      let bad = store.check()
      #expect(bad.map(\.index) == [1, 4, 6, 8])
      for (found, text) in zip(bad, ["truncated", "a GIF file", "cannot be opened", "digest"]) {
        #expect(found.error.reason.contains(text), "\(found)")
        #expect(found.error.path == "\(files.folder.path)/\(found.index).jpg")
      }
      #expect(throws: bad[1].error) { try store.pictures([0, 4]) }
      let rest = try store.leavingOut(Set(bad.map(\.index)))
      #expect(rest.entries.map(\.path) == ["0.jpg", "2.jpg", "3.jpg", "5.jpg", "7.jpg"])
      #expect(rest.keptCount == min(kept, 5))
      #expect(rest.check().isEmpty)
      #expect(try rest.pictures([4])[0].array == files.expected(7))
    }
  }

  @Test func manyCallersAtOnce() throws {
    let files = try Files(40)
    let expected = try (0..<40).map(files.expected)
    for kept in [0, 10, 40] {
      let store = try files.store(threads: 2, kept: kept)
      store.decodeAll()
      let wrong = Atomic(0)
      DispatchQueue.concurrentPerform(iterations: 6) { caller in
        for round in 0..<20 {
          let indices = (0..<8).map { (caller * 7 + round * 5 + $0 * 3) % 40 }
          store.prefetch([(caller * 11 + round) % 40])
          let pictures = try? store.pictures(indices)
          if pictures?.map(\.array) != indices.map({ expected[$0] }) {
            wrong.add(1, ordering: .relaxed)
          }
        }
      }
      #expect(wrong.load(ordering: .relaxed) == 0)
      #expect(store.keptCount <= kept)
    }
  }
}
