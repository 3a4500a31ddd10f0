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
        entries.append(entry(number, file))
      }
    }

    /// Class 1 has the odd numbers.
    func entry(_ number: Int, _ bytes: [UInt8]) -> ManifestEntry {
      ManifestEntry(
        path: "\(number).jpg", label: number % 2,
        digest: bytes.withUnsafeBytes { Digest(of: $0) },
        bytes: bytes.count)
    }

    /// A store that may keep `kept` pictures.
    func store(threads: Int, kept: Int) throws -> PictureStore {
      try PictureStore(
        folder: folder.path, entries: entries,
        decoder: PictureDecoder(PictureSettings(), height: side, width: side), threads: threads,
        memoryLimit: kept * pictureBytes)
    }

    func remove(_ numbers: some Sequence<Int>) throws {
      for number in numbers {
        try FileManager.default.removeItem(atPath: "\(folder.path)/\(number).jpg")
      }
    }

    func expected(_ number: Int) throws -> [UInt8] {
      let picture = try decode(path: "\(folder.path)/\(number).jpg")
      return try Resize.resize(picture, height: side, width: side, .nearest).array
    }
  }

  private func pixels(_ batch: Batch) -> [[UInt8]] {
    withExtendedLifetime(batch) {
      batch.pictures.map { Array(UnsafeBufferPointer(start: $0, count: Self.pictureBytes)) }
    }
  }

  @Test(arguments: [0, 1, 3], [0, 4, 100])
  func givesThePicturesAskedFor(threads: Int, kept: Int) throws {
    let files = try Files(12)
    let store = try files.store(threads: threads, kept: kept)
    for indices in [[3, 1, 3], Array(0..<12), [11, 0]] {
      let batch = try store.batch(indices)
      #expect(pixels(batch) == (try indices.map(files.expected)))
      #expect(batch.labels == indices.map { files.entries[$0].label })
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
    try files.remove(0..<8)
    #expect(try store.batch(Array(0..<8)).count == 8)
  }

  @Test func prefetchedPicturesBeyondTheLimitAreThere() throws {
    let files = try Files(12)
    let store = try files.store(threads: 1, kept: 0)
    store.prefetch([5, 6])
    #expect(try pixels(store.batch([5, 6])) == [files.expected(5), files.expected(6)])
    #expect(store.keptCount == 0)
  }

  @Test func checkListsEveryBadFileAtOnce() throws {
    var files = try Files(9)
    let whole = try jpeg(1)
    try files.folder.write("1.jpg", Array(whole.dropLast(200)))
    files.entries[1] = files.entry(1, Array(whole.dropLast(200)))
    try files.folder.write("4.jpg", Array("GIF89a".utf8))
    files.entries[4] = files.entry(4, Array("GIF89a".utf8))
    try files.remove([6])
    try files.folder.write("8.jpg", jpeg(3))
    for kept in [0, 100] {
      let store = try files.store(threads: 2, kept: kept)
      let bad = store.check()
      #expect(bad.map(\.index) == [1, 4, 6, 8])
      for (found, text) in zip(bad, ["truncated", "a GIF file", "cannot be opened", "digest"]) {
        #expect(found.error.reason.contains(text), "\(found)")
        #expect(found.error.path == "\(files.folder.path)/\(found.index).jpg")
      }
      #expect(throws: bad[1].error) { try store.batch([0, 4]) }
      let rest = try store.leavingOut(Set(bad.map(\.index)))
      #expect(rest.entries.map(\.path) == ["0.jpg", "2.jpg", "3.jpg", "5.jpg", "7.jpg"])
      #expect(rest.keptCount == min(kept, 5))
      #expect(rest.check().isEmpty)
      #expect(try pixels(rest.batch([4])) == [files.expected(7)])
    }
  }

  @Test(arguments: [0, 2]) func aFileThatWasReadIsNotReadAgain(threads: Int) throws {
    let files = try Files(12)
    let expected = try (0..<12).map(files.expected)
    let store = try files.store(threads: threads, kept: 100)
    try store.readFiles()
    #expect(store.keptCount == 0)
    try files.remove(0..<12)
    store.decodeAll()
    #expect(try pixels(store.batch(Array(0..<12))) == expected)
  }

  @Test(arguments: [0, 3]) func theFirstWrongFileIsNamed(threads: Int) throws {
    let files = try Files(6)
    let whole = try jpeg(2)
    try files.folder.write("2.jpg", jpeg(3))
    try files.remove([1, 4])
    func failure() -> WrongFile? {
      do {
        try files.store(threads: threads, kept: 100).readFiles()
        return nil
      } catch {
        return error as? WrongFile
      }
    }
    #expect(failure() == .unreadable(path: "\(files.folder.path)/1.jpg"))
    try files.folder.write("1.jpg", jpeg(1))
    #expect(failure() == .different(path: "\(files.folder.path)/2.jpg"))
    // Of the same size.
    try files.folder.write("2.jpg", whole.dropLast() + [whole[whole.count - 1] ^ 1])
    #expect(failure() == .different(path: "\(files.folder.path)/2.jpg"))
    try files.folder.write("2.jpg", whole)
    #expect(failure() == .unreadable(path: "\(files.folder.path)/4.jpg"))
    try files.folder.write("4.jpg", jpeg(4))
    #expect(failure() == nil)
  }

  /// Files take what pixels leave of the memory: the rest is read again, and compared again.
  @Test func filesGiveWayToPixels() throws {
    let files = try Files(12)
    let expected = try (0..<12).map(files.expected)
    #expect(files.entries[0].bytes < 6 * Self.pictureBytes)
    for decodesOthers in [false, true] {
      let store = try files.store(threads: 0, kept: 6)
      try store.readFiles()
      if decodesOthers { _ = try store.batch(Array(6..<12)) }
      #expect(store.keptCount == (decodesOthers ? 6 : 0))
      try files.folder.write("0.jpg", jpeg(5))
      if decodesOthers {
        let error = #expect(throws: PictureError.self) { try store.batch([0]) }
        #expect(error?.reason.contains("digest differs") == true)
      } else {
        #expect(try pixels(store.batch([0])) == [expected[0]])
      }
      try files.folder.write("0.jpg", jpeg(0))
    }
    let store = try files.store(threads: 0, kept: 0)
    try store.readFiles()
    try files.folder.write("3.jpg", jpeg(5))
    #expect(throws: PictureError.self) { try store.batch([3]) }
  }

  @Test func manyCallersAtOnce() throws {
    let files = try Files(40)
    let expected = try (0..<40).map(files.expected)
    for kept in [0, 10, 40] {
      let store = try files.store(threads: 2, kept: kept)
      if kept > 0 { try store.readFiles() }
      store.decodeAll()
      let wrong = Atomic(0)
      DispatchQueue.concurrentPerform(iterations: 6) { caller in
        for round in 0..<20 {
          let indices = (0..<8).map { (caller * 7 + round * 5 + $0 * 3) % 40 }
          store.prefetch([(caller * 11 + round) % 40])
          let batch = try? store.batch(indices)
          if batch.map(pixels) != indices.map({ expected[$0] }) {
            wrong.add(1, ordering: .relaxed)
          }
        }
      }
      #expect(wrong.load(ordering: .relaxed) == 0)
      #expect(store.keptCount <= kept)
    }
  }
}
