// What Linux's control groups allow this process: what a container has.

import Foundation

/// The control groups of this process and their parents, as far as they can be seen from here.
struct ControlGroups {
  /// Their folders below the root that was asked for, each of version 1 or 2.
  private(set) var folders: [(path: String, version: Int)] = []

  /// Finds them by `proc/self/cgroup` and `proc/self/mountinfo` below `root`.
  /// - Parameter controller: what they are to limit: `cpu` or `memory`.
  init(root: String, controller: String) {
    let groups = Self.groups(Cores.text("\(root)/proc/self/cgroup") ?? "", controller)
    let mounts = Self.mounts(Cores.text("\(root)/proc/self/mountinfo") ?? "", controller)
    for mount in mounts {
      guard let group = groups[mount.version] else { continue }
      for folder in Self.folders(of: group, in: mount) {
        folders.append((root + folder, mount.version))
      }
    }
  }

  /// The least quota of them all, in cores; nil where none has one.
  var cores: Double? {
    folders.compactMap { folder, version in
      if version == 2 { return Cores.text("\(folder)/cpu.max").flatMap(Self.cores(max:)) }
      guard let quota = Cores.text("\(folder)/cpu.cfs_quota_us"),
        let period = Cores.text("\(folder)/cpu.cfs_period_us")
      else { return nil }
      return Self.cores(max: "\(quota) \(period)")
    }.min()
  }

  /// Where a hierarchy that limits them is mounted.
  struct Mount: Hashable {
    let version: Int
    /// The group that the mount point shows.
    let root: String
    let point: String
  }

  /// The cores of `cpu.max`: microseconds and the period that they are of; nil for `max`, and for
  /// version 1's -1.
  static func cores(max text: String) -> Double? {
    let numbers = text.split(whereSeparator: \.isWhitespace).map { Double($0) }
    guard numbers.count == 2, let quota = numbers[0], let period = numbers[1], quota > 0, period > 0
    else { return nil }
    return quota / period
  }

  /// The group of this process by the hierarchy's version, from `/proc/self/cgroup`: lines
  /// `0::/group` for version 2, `4:cpu,cpuacct:/group` for version 1.
  static func groups(_ text: String, _ controller: String) -> [Int: String] {
    var groups: [Int: String] = [:]
    for line in text.split(separator: "\n") {
      let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
      guard fields.count == 3 else { continue }
      if fields[1].isEmpty { groups[2] = String(fields[2]) }
      if fields[1].split(separator: ",").contains(controller[...]) { groups[1] = String(fields[2]) }
    }
    return groups
  }

  /// The mounts that matter, from `/proc/self/mountinfo`.
  static func mounts(_ text: String, _ controller: String) -> [Mount] {
    text.split(separator: "\n").compactMap { line in
      // ID, parent, device, root, mount point, options, some tags, "-", type, source, options.
      let fields = line.split(separator: " ").map { field in
        // So are spaces in names written.
        field.replacingOccurrences(of: "\\040", with: " ")
      }
      guard let dash = fields.firstIndex(of: "-"), dash >= 6, fields.count >= dash + 4 else {
        return nil
      }
      let hasController = fields[dash + 3].split(separator: ",").contains(controller[...])
      switch fields[dash + 1] {
      case "cgroup2": return Mount(version: 2, root: fields[3], point: fields[4])
      case "cgroup" where hasController: return Mount(version: 1, root: fields[3], point: fields[4])
      default: return nil
      }
    }
  }

  /// The folders of `group` and of its parents, up to the mount point; the mount point alone where
  /// the group lies outside what is mounted, as in a container that sees its host's names.
  static func folders(of group: String, in mount: Mount) -> [String] {
    let parts = group.split(separator: "/").map(String.init)
    let root = mount.root.split(separator: "/").map(String.init)
    guard parts.starts(with: root), !parts.contains("..") else { return [mount.point] }
    let below = parts.dropFirst(root.count)
    return (0...below.count).map { ([mount.point] + below.prefix($0)).joined(separator: "/") }
  }
}
