import Engine
import Foundation
import Testing
import Training

@Suite("Memory: what there is, and what a run takes")
struct MemoryTests {
  let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
    try write("proc/meminfo", "MemTotal: 99 kB\nMemFree: 1 kB\nMemAvailable:    8000000 kB\n")
    try write("proc/self/cgroup", "")
    try write(
      "proc/self/mountinfo",
      """
      1 2 0:3 / /cgroup rw - cgroup2 cgroup2 rw
      4 1 0:6 / /cgroup/memory rw - cgroup cgroup rw,cpu,memory

      """)
  }

  private func write(_ name: String, _ text: String) throws {
    let file = URL(filePath: folder.file(name))
    try FileManager.default.createDirectory(
      at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
    try Data(text.utf8).write(to: file)
  }

  private var now: AvailableMemory {
    .now(root: folder.path)
  }

  @Test("the machine's, where nothing else bounds it")
  func machine() {
    #expect(now.bytes == 8_192_000_000)
    #expect(now.bound == "this machine")
  }

  @Test("a group of version 2, and the least of those around it; cached files come back")
  func versionTwo() throws {
    try write("proc/self/cgroup", "1:name=systemd:/x\n0::/pod/container\n")
    try write("cgroup/pod/container/memory.max", "max\n")
    try write("cgroup/pod/container/memory.current", "5\n")
    #expect(now.bytes == 8_192_000_000)
    try write("cgroup/pod/memory.max", "1000000000\n")
    try write("cgroup/pod/memory.current", "700000000\n")
    #expect(now.bytes == 300_000_000)
    try write("cgroup/pod/memory.stat", "anon 7\ninactive_file 200000000\nactive_file 50000000\n")
    #expect(now.bytes == 550_000_000)
    #expect(now.bound.contains("container"))
    try write("cgroup/pod/container/memory.max", "100\n")
    #expect(now.bytes == 95)
    // A group may be over its limit, and its books out of step.
    try write("cgroup/pod/container/memory.current", "500\n")
    #expect(now.bytes == 0)
  }

  @Test("inside a container, whose own group is the root that it sees")
  func namespaced() throws {
    try write("proc/self/cgroup", "0::/\n")
    try write("cgroup/memory.max", "4000000\n")
    try write("cgroup/memory.current", "1000000\n")
    #expect(now.bytes == 3_000_000)
  }

  @Test("a group of version 1, also where the path is another's view")
  func versionOne() throws {
    try write("proc/self/cgroup", "5:devices:/a\n4:cpu,memory:/docker/abc\n0::/\n")
    try write("cgroup/memory/memory.limit_in_bytes", "2000000\n")
    try write("cgroup/memory/memory.usage_in_bytes", "1500000\n")
    try write("cgroup/memory/memory.stat", "total_inactive_file 100000\ntotal_active_file 1\n")
    #expect(now.bytes == 600_001)
    try write("cgroup/memory/docker/abc/memory.limit_in_bytes", "9223372036854771712\n")
    try write("cgroup/memory/docker/abc/memory.usage_in_bytes", "1500000\n")
    #expect(now.bytes == 600_001)
  }

  @Test("nonsense bounds nothing")
  func nonsense() throws {
    try write("proc/self/cgroup", "4:memory\n:::\n0::\n4:memory:/x\n")
    try write("cgroup/memory/x/memory.limit_in_bytes", "many\n")
    try write("cgroup/memory/x/memory.usage_in_bytes", "")
    #expect(now.bytes == 8_192_000_000)
    #expect(AvailableMemory.now(root: "/nowhere").bytes > 1 << 60)
  }

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

  @Test("each part of a run is in its sum")
  func parts() throws {
    let book = try Architecture.book()
    func run(_ change: (inout Hyperparameters) -> Void = { _ in }, workers: Int = 0) -> Int {
      var values = Hyperparameters()
      change(&values)
      return MemoryNeed.networkRun(
        book, values, threads: 1, localWorkers: workers, workerThreads: 1
      ).bytes
    }
    let weights = 4 * book.parameters.bufferCount
    #expect(run() > 6 * weights)
    let worker = run(workers: 1) - run()
    #expect(worker > Engine.memory(book, batchCapacity: 20, threads: 1) + 2 * weights)
    #expect(run(workers: 3) == run() + 3 * worker)
    // Above eight steps an update's gradients are summed as they come.
    #expect(run({ $0.batchesPerUpdate = 64 }) > run() + 8 * weights)
    let alone = MemoryNeed.oneProcess(book, Hyperparameters(), threads: 1).bytes
    #expect(alone > run() && alone < run(workers: 1))
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
