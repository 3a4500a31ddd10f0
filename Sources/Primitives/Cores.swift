import Foundation

/// The processor cores that this process may use: fewer than the machine has where its affinity
/// (`taskset`, a batch system) or the quota of its control group (a container) says so.
public struct Cores: Hashable, Sendable {
  /// What the machine has.
  public let machine: Int
  /// What this process may use; at least 1.
  public let usable: Int
  /// What makes them fewer; nil where nothing does.
  public let limit: String?

  /// Those of this process, as they were when it was first asked.
  public static let ofThisProcess = Cores(root: "")

  /// - Parameters:
  ///   - affinity: how many of the machine's this process may run on; nil where that is unknown.
  ///   - quota: cores' worth of time that its control group has; nil where that has no limit.
  package init(machine: Int, affinity: Int?, quota: Double?) {
    self.machine = max(1, machine)
    let quota = quota.map { Int(min(max($0, 1), 1e6).rounded(.up)) }
    let least = min(affinity ?? .max, quota ?? .max)
    usable = min(self.machine, max(1, least))
    limit =
      usable == self.machine ? nil : affinity == least ? "affinity" : "the control group's quota"
  }

  /// Reads them from the files of `proc` and `sys` below `root`.
  package init(root: String) {
    let online = Self.text("\(root)/sys/devices/system/cpu/online").map(Self.processors(in:))
    let machine = online?.count ?? ProcessInfo.processInfo.processorCount
    // The mask may name processors that are not there.
    let affinity = Self.text("\(root)/proc/self/status").flatMap(Self.affinity(inStatus:))
      .map { online.map($0.intersection) ?? $0 }
    self.init(
      machine: machine, affinity: affinity.flatMap { $0.isEmpty ? nil : $0.count },
      quota: ControlGroups(root: root, controller: "cpu").cores)
  }

  /// ` (2 of 8 cores by affinity)`; empty where this process may use all.
  public var note: String {
    limit.map { " (\(usable) of \(machine) cores by \($0))" } ?? ""
  }

  /// The processors that the status of a process (`/proc/self/status`) allows it; nil where there
  /// is no such line.
  static func affinity(inStatus status: String) -> Set<Int>? {
    let line = status.split(separator: "\n").first { $0.hasPrefix("Cpus_allowed_list:") }
    return (line?.drop { $0 != ":" }.dropFirst()).map { processors(in: String($0)) }
  }

  /// The processors of a list like `0-3,8`.
  package static func processors(in list: String) -> Set<Int> {
    var processors: Set<Int> = []
    for part in list.split(whereSeparator: { $0 == "," || $0.isWhitespace }) {
      let ends = part.split(separator: "-").map { Int($0) }
      guard let first = ends.first ?? nil, let last = ends.last ?? nil, ends.count <= 2,
        0 <= first, first <= last, last < 1 << 20
      else { continue }
      processors.formUnion(first...last)
    }
    return processors
  }

  static func text(_ path: String) -> String? {
    try? String(contentsOfFile: path, encoding: .utf8)
  }
}
