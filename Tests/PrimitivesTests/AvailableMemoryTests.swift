import Foundation
import Primitives
import TestSupport
import Testing

@Suite("Memory: what there is")
struct AvailableMemoryTests {
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
}
