import Foundation

/// How much memory this process may still take, and what sets that bound.
public struct AvailableMemory: Sendable {
  /// Bytes.
  public let bytes: Int
  /// What leaves no more, as a message names it.
  public let bound: String

  /// So many bytes, for such a reason.
  public init(bytes: Int, bound: String) { (self.bytes, self.bound) = (bytes, bound) }

  /// The least of what the machine, its control groups and `ulimit` leave.
  /// - Parameters:
  ///   - proc: where the kernel's process file system is.
  ///   - cgroups: where its control groups are.
  public static func now(
    proc: String = "/proc", cgroups: String = "/sys/fs/cgroup"
  ) -> AvailableMemory {
    var bounds = [AvailableMemory(bytes: .max, bound: "this machine")]
    if let kilobytes = field("MemAvailable:", in: "\(proc)/meminfo") {
      bounds.append(AvailableMemory(bytes: kilobytes * 1024, bound: "this machine"))
    }
    let groups = groups(proc, cgroups).compactMap(free).map {
      AvailableMemory(bytes: $0, bound: "the memory limit of its control group (container)")
    }
    return (bounds + groups + ulimits(proc)).min { $0.bytes < $1.bytes } ?? bounds[0]
  }

  /// The folders of the groups that the process is in, and of those around them.
  ///
  /// A container may see a path from outside it: then only the folders that are there count.
  private static func groups(_ proc: String, _ cgroups: String) -> [String] {
    let lines = text("\(proc)/self/cgroup").split(separator: "\n")
    return lines.flatMap { line -> [String] in
      let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
      guard parts.count == 3 else { return [] }
      let roots: [String]
      if parts[1].split(separator: ",").contains("memory") {
        roots = ["\(cgroups)/memory"]
      } else if parts[1].isEmpty {
        roots = [cgroups, "\(cgroups)/unified"]
      } else {
        return []
      }
      let names = parts[2].split(separator: "/")
      return roots.flatMap { root in
        (0...names.count).map {
          ([root] + names.prefix($0).map(String.init)).joined(separator: "/")
        }
      }
    }
  }

  /// What a group leaves; the kernel takes back cached files before it refuses.
  private static func free(_ group: String) -> Int? {
    for (limit, usage, cached) in [
      ("memory.max", "memory.current", ["inactive_file", "active_file"]),
      (
        "memory.limit_in_bytes", "memory.usage_in_bytes",
        ["total_inactive_file", "total_active_file"]
      ),
    ] {
      guard let limit = number("\(group)/\(limit)"), let usage = number("\(group)/\(usage)") else {
        continue
      }
      let files = cached.reduce(0) { $0 + (field($1, in: "\(group)/memory.stat") ?? 0) }
      return max(0, limit - usage + min(files, usage))
    }
    return nil
  }

  private static func ulimits(_ proc: String) -> [AvailableMemory] {
    // In pages: the first is all of the address space, the sixth its writable part.
    let pages = text("\(proc)/self/statm").split(separator: " ").map { Int($0) ?? 0 }
    let page = Int(sysconf(Int32(_SC_PAGESIZE)))
    return [(RLIMIT_AS, 0, "-v"), (RLIMIT_DATA, 5, "-d")].compactMap { resource, index, option in
      var limit = rlimit()
      guard pages.indices.contains(index), getrlimit(Int32(resource.rawValue), &limit) == 0,
        let most = Int(exactly: limit.rlim_cur)
      else { return nil }
      return AvailableMemory(
        bytes: max(0, most - pages[index] * page), bound: "the limit of ulimit \(option)")
    }
  }

  private static func text(_ path: String) -> String {
    (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
  }

  private static func number(_ path: String) -> Int? {
    Int(text(path).trimmingCharacters(in: .whitespacesAndNewlines))
  }

  /// The number behind a name at a line's start.
  private static func field(_ name: String, in path: String) -> Int? {
    for line in text(path).split(separator: "\n") {
      let words = line.split(separator: " ")
      if words.count > 1, words[0] == name { return Int(words[1]) }
    }
    return nil
  }
}
