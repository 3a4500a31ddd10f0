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
  /// - Parameter root: above `proc` and what `proc/self/mountinfo` names.
  public static func now(root: String = "") -> AvailableMemory {
    var bounds = [AvailableMemory(bytes: .max, bound: "this machine")]
    if let kilobytes = field("MemAvailable:", in: "\(root)/proc/meminfo") {
      bounds.append(AvailableMemory(bytes: kilobytes * 1024, bound: "this machine"))
    }
    for group in ControlGroups(root: root, controller: "memory").folders {
      guard let bytes = free(group.path) else { continue }
      bounds.append(
        AvailableMemory(bytes: bytes, bound: "the memory limit of its control group (container)"))
    }
    return (bounds + ulimits(root)).min { $0.bytes < $1.bytes } ?? bounds[0]
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

  private static func ulimits(_ root: String) -> [AvailableMemory] {
    // In pages: the first is all of the address space, the sixth its writable part.
    let counts = Cores.text("\(root)/proc/self/statm") ?? ""
    let pages = counts.split(separator: " ").map { Int($0) ?? 0 }
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

  private static func number(_ path: String) -> Int? {
    Cores.text(path).flatMap { Int($0.trimmingCharacters(in: .whitespacesAndNewlines)) }
  }

  /// The number behind a name at a line's start.
  private static func field(_ name: String, in path: String) -> Int? {
    for line in (Cores.text(path) ?? "").split(separator: "\n") {
      let words = line.split(separator: " ")
      if words.count > 1, words[0] == name { return Int(words[1]) }
    }
    return nil
  }
}
