import Foundation

/// Three network namespaces, each a machine of its own: the first has a link to the second and
/// another one to the third, which have no way to each other.
final class Namespaces {
  /// Why there can be none here; nil where there can.
  static let whyNot: String? =
    getuid() != 0
    ? "namespaces need root"
    : tool("command -v ip") && tool("ip netns add dogsled-trial && ip netns del dogsled-trial")
      ? nil : "namespaces need ip and the right to make them"

  /// Why `scripts/lan` cannot build its LAN here; nil where it can.
  static let whyNoLAN: String? = {
    if let whyNot { return whyNot }
    defer { tool("ip netns del dogsled-lan-trial") }
    return tool(
      """
      command -v tc ss && ip netns add dogsled-lan-trial \
        && ip -n dogsled-lan-trial link add name switch type bridge \
        && tc -n dogsled-lan-trial qdisc add dev lo root tbf rate 1mbit burst 32k limit 1m
      """) ? nil : "a LAN needs tc, ss, and a kernel with bridges and tbf"
  }()

  /// With IPv6, where the kernel has it, and without.
  static let sixes =
    FileManager.default.fileExists(atPath: "/proc/net/if_inet6") ? [true, false] : [false]

  /// Addresses of the second and the third, as the first reaches them.
  let second = "10.78.2.2"
  let third: String
  /// Addresses of the first: as the second sees it, and as the third does.
  let first: [String]
  /// What comes before a command that runs in each.
  let all: [[String]]
  private let names: [String]

  /// With IPv6 the first and the third know each other by that.
  init(six: Bool) throws {
    let own = "dogsled-\(UUID().uuidString.prefix(6).lowercased())"
    names = ["a", "b", "c"].map { "\(own)-\($0)" }
    all = names.map { ["/usr/sbin/ip", "netns", "exec", $0] }
    third = six ? "fd78:3::3" : "10.78.3.3"
    first = ["10.78.2.1", six ? "fd78:3::1" : "10.78.3.1"]
    var lines: [String] = []
    for name in names {
      lines += ["ip netns add \(name)", "ip -n \(name) link set lo up"]
      let settings = ["all", "default"].map { "/proc/sys/net/ipv6/conf/\($0)/disable_ipv6" }
      for file in settings where six || FileManager.default.fileExists(atPath: file) {
        lines.append("ip netns exec \(name) sh -c 'echo \(six ? 0 : 1) >\(file)'")
      }
    }
    for (number, other) in zip([2, 3], names[1...]) {
      let device = "dogsled\(number)"
      lines.append(
        "ip -n \(names[0]) link add \(device) type veth peer name \(device) netns \(other)")
      for (name, end) in [(names[0], 1), (other, number)] {
        lines.append("ip -n \(name) address add 10.78.\(number).\(end)/24 dev \(device)")
        if six {
          lines.append("ip -n \(name) address add fd78:\(number)::\(end)/64 dev \(device) nodad")
        }
        lines.append("ip -n \(name) link set \(device) up")
      }
    }
    for line in lines {
      guard tool(line) else { throw NamespaceError(description: "this failed: \(line)") }
    }
  }

  deinit {
    for name in names { tool("ip netns del \(name)") }
  }
}

struct NamespaceError: Error, CustomStringConvertible { let description: String }

/// Runs a line of shell, and waits for it.
/// - Returns: whether it ended well.
@discardableResult private func tool(_ line: String) -> Bool {
  let process = Process()
  process.executableURL = URL(fileURLWithPath: "/bin/sh")
  process.arguments = ["-c", "(\(line)) >/dev/null 2>&1"]
  guard (try? process.run()) != nil else { return false }
  process.waitUntilExit()
  return process.terminationStatus == 0
}
