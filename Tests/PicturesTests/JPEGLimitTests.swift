import Engine
import Foundation
import Pictures
import Primitives
import Synchronization
import Testing

/// What a small file may cost, and what many large ones together.
@Suite struct JPEGLimitTests {
  /// A file of little that says it is so large; its data end with the picture's end marker, so that
  /// libjpeg fills up with grey.
  private func file(claiming height: Int, _ width: Int, of file: [UInt8]) throws -> [UInt8] {
    var file = file
    let frame = try #require(
      file.indices.first { [[0xFF, 0xC0], [0xFF, 0xC2]].contains(file[$0...].prefix(2)) })
    for (place, value) in [(5, height >> 8), (6, height), (7, width >> 8), (8, width)] {
      file[frame + place] = UInt8(value & 255)
    }
    return file
  }

  private func failure(_ file: [UInt8], least: (height: Int, width: Int)? = nil) -> String? {
    do {
      _ = try decode(file, least: least)
      return nil
    } catch {
      return "\(error)"
    }
  }

  /// 16x16 pixels.
  private func progressive() throws -> [UInt8] {
    [UInt8](try #require(Data(base64Encoded: JPEGTests.Small.progressive.base64)))
  }

  @Test func tooManyPixelsSayWhatToDo() throws {
    let shrink = "20000x20000 pixels: more than the 100 megapixels allowed: shrink it"
    let large = try file(claiming: 20_000, 20_000, of: jpeg())
    #expect(failure(large) == shrink + ", or read it at a smaller scale with --decode fast")
    // Where the scaled picture is within the bound.
    let picture = try decode(large, least: (150, 150))
    #expect((picture.height, picture.width) == (2500, 2500))
    #expect(failure(large, least: (10_001, 10_001)) == shrink)
    // Progressive ones need the memory of all pixels; and a thousand megapixels are the end.
    let several = try file(claiming: 20_000, 20_000, of: progressive())
    #expect(failure(several) == shrink)
    #expect(failure(several, least: (150, 150)) == shrink)
    let huge = try file(claiming: 65_000, 16_000, of: jpeg())
    #expect(failure(huge, least: (150, 150))?.hasPrefix("16000x65000 pixels: more than") == true)
    #expect(failure(huge)?.hasSuffix("allowed: shrink it") == true)
  }

  /// A scan of no more than a few bytes goes over the whole picture.
  @Test func scansAreCounted() throws {
    let file = try progressive()
    func starts(_ marker: UInt8) -> [Int] {
      file.indices.dropLast().filter { file[$0] == 0xFF && file[$0 + 1] == marker }
    }
    let (first, second) = (starts(0xDA)[0], starts(0xDA)[1])
    let own = starts(0xDA).count
    // The tables of the second scan stand before it.
    let end = try #require(starts(0xC4).first { $0 > first && $0 < second })
    func with(_ count: Int) -> [UInt8] {
      let more = (own..<count).flatMap { _ in file[first..<end] }
      return Array(file[..<end]) + more + file[end...]
    }
    #expect(own < 20)
    #expect(failure(with(100)) == nil)
    #expect(
      failure(with(101))
        == "101 scans: at most 100 are read at this size: save it again as a plain JPEG, not a "
        + "progressive one")
    #expect(failure(with(1000))?.hasPrefix("1000 scans: at most 100") == true)
    #expect(failure(with(1000), least: (8, 8))?.hasPrefix("1000 scans: at most 100") == true)
    // Twenty over a large picture.
    let large = try self.file(claiming: 10_000, 9_000, of: with(23))
    #expect(failure(large)?.hasPrefix("23 scans: at most 22 are read at this size") == true)
  }

  @Test func theBudgetHoldsAndEverybodyIsServed() {
    let budget = DecodingBudget(bytes: 100)
    let taken = Atomic(0)
    let holders = Atomic(0)
    let wrong = Atomic(0)
    let done = Atomic(0)
    DispatchQueue.concurrentPerform(iterations: 6) { caller in
      for round in 0..<300 {
        // Up to twice the budget.
        let bytes = (caller * 31 + round * 17) % 200
        try? budget.with(bytes) {
          let all = taken.add(bytes, ordering: .sequentiallyConsistent).newValue
          let count = holders.add(1, ordering: .sequentiallyConsistent).newValue
          if all > 100 && count > 1 { wrong.add(1, ordering: .relaxed) }
          usleep(10)
          holders.subtract(1, ordering: .sequentiallyConsistent)
          taken.subtract(bytes, ordering: .sequentiallyConsistent)
        }
        done.add(1, ordering: .relaxed)
      }
    }
    #expect(wrong.load(ordering: .relaxed) == 0)
    #expect(done.load(ordering: .relaxed) == 1800)
  }

  /// As a store has it: a file's bytes, and within them the pixels.
  @Test func twoBudgetsOneWithinTheOther() {
    let (files, pixels) = (DecodingBudget(bytes: 100), DecodingBudget(bytes: 100))
    let done = Atomic(0)
    DispatchQueue.concurrentPerform(iterations: 6) { caller in
      for round in 0..<200 {
        try? files.with((caller * 31 + round * 17) % 150) { () throws(PictureError) in
          try pixels.with((caller * 7 + round * 13) % 150) { _ = usleep(10) }
        }
        done.add(1, ordering: .relaxed)
      }
    }
    #expect(done.load(ordering: .relaxed) == 1200)
  }

  /// What fails gives back what it had.
  @Test func theBudgetIsFreeAfterAnError() throws {
    let budget = DecodingBudget(bytes: 100)
    for _ in 0..<10 {
      #expect(throws: PictureError("no")) {
        try budget.with(80) { () throws(PictureError) in throw PictureError("no") }
      }
    }
    #expect(try budget.with(80) { 7 } == 7)
  }

  /// Eight pictures that take 270 MB each, eight at a time: no more than three are decoded at once.
  @Test func largePicturesWaitForEachOther() throws {
    let folder = try TemporaryFolder()
    let large = try file(claiming: 9000, 10_000, of: jpeg())
    let digest = large.withUnsafeBytes(Digest.init(of:))
    let entries = try (0..<8).map { number in
      try folder.write("\(number).jpg", large)
      return ManifestEntry(path: "\(number).jpg", label: 0, digest: digest, bytes: large.count)
    }
    let store = try PictureStore(
      folder: folder.path, entries: entries,
      decoder: PictureDecoder(PictureSettings(), height: 8, width: 8), threads: 8,
      memoryLimit: 1 << 20)
    // The most that this process has had counts from here.
    try Data("5".utf8).write(to: URL(filePath: "/proc/self/clear_refs"))
    let before = try peak()
    #expect(store.check().isEmpty)
    #expect(try peak() - before < 1_600)
  }

  /// The most memory that this process has had, in MB.
  private func peak() throws -> Int {
    let status = try String(contentsOfFile: "/proc/self/status", encoding: .utf8)
    let line = try #require(status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") })
    return try #require(Int(line.split(whereSeparator: \.isWhitespace)[1])) / 1024
  }
}
