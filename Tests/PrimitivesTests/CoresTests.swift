import Foundation
import Primitives
import Testing

/// How many cores a process may use, on trees of `proc` and `sys` as machines and containers have
/// them.
@Suite struct CoresTests {
  /// Files below a root folder that is gone with the test.
  private func cores(_ files: [String: String]) throws -> Cores {
    let root = NSTemporaryDirectory() + "dogsled-cores-\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: root) }
    for (path, text) in files {
      let file = URL(fileURLWithPath: "\(root)/\(path)")
      try FileManager.default.createDirectory(
        at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
      try Data(text.utf8).write(to: file)
    }
    return Cores(root: root)
  }

  private let eight = ["sys/devices/system/cpu/online": "0-7\n"]
  private let version2 = [
    "proc/self/cgroup": "0::/job/step\n",
    "proc/self/mountinfo": """
    22 29 0:20 / /proc rw,nosuid - proc proc rw
    30 23 0:26 / /sys/fs/cgroup rw,nosuid,nodev shared:9 - cgroup2 cgroup2 rw,nsdelegate
    """,
  ]
  private let version1 = [
    "proc/self/cgroup": "5:memory:/elsewhere\n4:cpu,cpuacct:/docker/abc\n1:name=systemd:/\n",
    "proc/self/mountinfo":
      "34 26 0:30 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
      + "35 26 0:31 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n",
  ]

  private func merged(_ trees: [String: String]...) -> [String: String] {
    trees.reduce(into: [:]) { $0.merge($1) { $1 } }
  }

  @Test func allWhereNothingLimitsThem() throws {
    let free = try cores(merged(eight, version2))
    #expect(free == Cores(machine: 8, affinity: nil, quota: nil))
    #expect(free.usable == 8 && free.limit == nil && free.note.isEmpty)
    let status = ["proc/self/status": "Name:\tdogsled\nCpus_allowed_list:\t0-127\n"]
    #expect(try cores(merged(eight, status)).usable == 8)
  }

  @Test(arguments: [("0", 1), ("2-3", 2), ("0,5-6", 3), ("1,9-20", 1)])
  func affinityLimitsThem(_ list: String, _ count: Int) throws {
    let status = ["proc/self/status": "Threads:\t1\nCpus_allowed_list:\t\(list)\nMems:\t0\n"]
    let some = try cores(merged(eight, status, version2))
    #expect(some.usable == count)
    #expect(some.note == " (\(count) of 8 cores by affinity)")
  }

  /// A set as large as 2,000 processors.
  @Test func moreProcessorsThanAWordHasBits() throws {
    let many = try cores([
      "sys/devices/system/cpu/online": "0-1999\n",
      "proc/self/status": "Cpus_allowed_list:\t0-99,1500-1999\n",
    ])
    #expect(many.machine == 2000 && many.usable == 600)
  }

  @Test(arguments: [
    ("max 100000", nil), ("100000 100000", 1), ("150000 100000", 2), ("5000 100000", 1),
    ("900000 100000", nil), ("nonsense", nil), ("", nil),
  ])
  func theQuotaOfVersion2LimitsThem(_ text: String, _ count: Int?) throws {
    let some = try cores(merged(eight, version2, ["sys/fs/cgroup/job/step/cpu.max": text + "\n"]))
    #expect(some.usable == count ?? 8)
    #expect(some.note == (count.map { " (\($0) of 8 cores by the control group's quota)" } ?? ""))
  }

  @Test func theLeastQuotaOfAllParentsCounts() throws {
    let tree = merged(
      eight, version2,
      [
        "sys/fs/cgroup/job/step/cpu.max": "400000 100000",
        "sys/fs/cgroup/job/cpu.max": "210000 70000",
        "sys/fs/cgroup/cpu.max": "max 100000",
      ])
    #expect(try cores(tree).usable == 3)
    let status = ["proc/self/status": "Cpus_allowed_list:\t0-1\n"]
    #expect(try cores(merged(tree, status)).note == " (2 of 8 cores by affinity)")
  }

  /// In a container the mount shows the container's own group as its root.
  @Test func aContainersOwnGroupIsFound() throws {
    let ownNames = ["proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "200000 100000\n"]
    #expect(try cores(merged(eight, version2, ownNames)).usable == 2)
    let hostNames = [
      "proc/self/cgroup": "0::/../../other\n", "sys/fs/cgroup/cpu.max": "200000 100000\n",
    ]
    #expect(try cores(merged(eight, version2, hostNames)).usable == 2)
    let mounted = [
      "proc/self/mountinfo":
        "34 26 0:30 /docker/abc /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n",
      "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "300000\n",
      "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
    ]
    #expect(try cores(merged(eight, version1, mounted)).usable == 3)
  }

  @Test(arguments: [("-1", nil), ("50000", 1), ("250000", 3)])
  func theQuotaOfVersion1LimitsThem(_ quota: String, _ count: Int?) throws {
    let folder = "sys/fs/cgroup/cpu,cpuacct/docker/abc"
    let some = try cores(
      merged(
        eight, version1,
        ["\(folder)/cpu.cfs_quota_us": quota + "\n", "\(folder)/cpu.cfs_period_us": "100000\n"]))
    #expect(some.usable == count ?? 8)
  }

  @Test func aMachineWithoutTheseFilesHasWhatItHas() throws {
    let bare = try cores([:])
    #expect(bare.usable == ProcessInfo.processInfo.processorCount && bare.limit == nil)
    let broken = try cores([
      "sys/devices/system/cpu/online": "0-3", "proc/self/status": "Cpus_allowed_list:\t-,x,5-1,9-",
      "proc/self/cgroup": "::\n0\nx:y", "proc/self/mountinfo": "- cgroup2\n1 2 3 4 5 6 - cgroup2",
    ])
    #expect(broken.usable == 4)
  }
}
