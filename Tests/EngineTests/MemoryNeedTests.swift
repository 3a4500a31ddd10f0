import Engine
import Primitives
import Testing

@Suite("Memory: what is refused")
struct MemoryNeedTests {
  private let now = AvailableMemory(bytes: 8_192_000_000, bound: "this machine")

  @Test("a need that is there passes; one that is not is refused with both figures")
  func check() throws {
    let book = try Architecture.book()
    try MemoryNeed.inference(book, batch: 20, threads: 2).check("computing", of: now)
    let error = #expect(throws: MemoryError.self) {
      try MemoryNeed.inference(book, batch: 4096, threads: 2).check(
        "computing", advice: "less", of: now)
    }
    let said = error?.description ?? ""
    #expect(said.hasPrefix("computing takes 1"), "\(said)")
    #expect(said.hasSuffix(" GB of memory, but this machine leaves 8.2 GB: less"), "\(said)")
  }

  @Test("sums that no number holds are too much, and no crash")
  func overflow() throws {
    var need = MemoryNeed()
    need.addPictures(.max, of: Shape(height: 4096, width: 4096, channels: 3))
    need.add(.max, try Architecture.book().parameters)
    #expect(need.bytes == .max)
    #expect(throws: MemoryError.self) { try need.check("it") }
    #expect(need.pictureCache() == 0)
  }

  @Test("decoded pictures take what is left, and never more than a gibibyte")
  func cache() {
    let need = MemoryNeed()
    #expect(need.pictureCache(of: AvailableMemory(bytes: .max, bound: "")) == 1 << 30)
    let some = AvailableMemory(bytes: need.bytes + 800, bound: "")
    #expect(need.pictureCache(of: some) == 100)
    // Together the stores of all take no more than a quarter of what they leave.
    let shared = AvailableMemory(bytes: 8 * need.bytes + 6400, bound: "")
    #expect(need.pictureCache(sharedBy: 8, of: shared) == 100)
    #expect(need.pictureCache(sharedBy: .max, of: shared) == 0)
    #expect(need.pictureCache(of: AvailableMemory(bytes: 0, bound: "")) == 0)
  }
}
