import Foundation
import Testing

extension FaultTests {
  /// Links between two machines that lose, slow down or swallow what they carry: a coordinator and
  /// a worker in one network namespace, another worker in a second one.
  @Suite(.enabled(if: Namespaces.areThere, "needs root, ip, tc and nft")) struct Links {
    /// A run whose second worker is behind the link; `harm` comes after an epoch.
    private func disturb(
      _ what: String, isLong: Bool = false, _ harm: (Namespaces) -> Void,
      after: (FaultRun, Namespaces) throws -> Void = { _, _ in }
    ) throws {
      let run = try FaultRun(isLong: isLong)
      let spaces = try Namespaces()
      run.host = spaces.address
      run.place = spaces.near
      let coordinator = try run.coordinator(["--heartbeat", "0.6"])
      let near = try run.worker()
      let far = try run.worker(place: spaces.far)
      try run.waitForAnEpoch()
      run.disturb { harm(spaces) }
      try after(run, spaces)
      try run.expectUndisturbed(coordinator, what)
      #expect(try near.status() == 0)
      far.signal(SIGKILL)
    }

    @Test func theLinkSwallowsEverything() throws {
      // Half-open: neither side is told anything.
      try disturb("half-open", isLong: true) {
        $0.drop("drop")
      } after: { run, _ in
        try run.wait(for: "lost")
      }
    }

    @Test func theLinkIsCutAndComesBack() throws {
      try disturb("a cut link", isLong: true) {
        $0.cut()
      } after: { run, spaces in
        try run.wait(for: "lost")
        spaces.mend()
      }
    }

    @Test func twoInAHundredPacketsAreLost() throws {
      try disturb("2 % loss") {
        $0.drop("numgen random mod 100 < 2 counter drop")
      } after: { run, spaces in
        try run.waitForAnEpoch()
        #expect(spaces.hasDropped)
      }
    }

    @Test func tenMegabitsASecond() throws {
      try disturb("10 Mbit/s") { $0.slow() }
    }
  }
}

/// Two network namespaces with a link between them; they are gone when this object is.
final class Namespaces {
  static let areThere =
    getuid() == 0 && tool("which ip tc nft") && tool("ip netns add dogsled-probe")
    && tool("ip netns del dogsled-probe")

  private let name = "dogsled-\(UUID().uuidString.prefix(6).lowercased())"
  let address = "10.77.0.1"
  /// What comes before a command that runs there.
  var near: [String] { ["/usr/sbin/ip", "netns", "exec", "\(name)-a"] }
  var far: [String] { ["/usr/sbin/ip", "netns", "exec", "\(name)-b"] }

  init() throws {
    let (a, b) = ("\(name)-a", "\(name)-b")
    let lines = [
      "ip netns add \(a)", "ip netns add \(b)",
      "ip -n \(a) link add veth0 type veth peer name veth1 netns \(b)",
      "ip -n \(a) addr add 10.77.0.1/24 dev veth0", "ip -n \(b) addr add 10.77.0.2/24 dev veth1",
      "ip -n \(a) link set lo up", "ip -n \(b) link set lo up",
      "ip -n \(a) link set veth0 up", "ip -n \(b) link set veth1 up",
    ]
    // Packets as they travel, not the large ones that a network card cuts up: those are few.
    let whole = [(a, "veth0"), (b, "veth1")].map { "ip -n \($0) link set \($1) gso_max_segs 1" }
    for line in lines + whole { try #require(tool(line), "\(line)") }
  }

  deinit {
    tool("ip netns del \(name)-a")
    tool("ip netns del \(name)-b")
  }

  /// What becomes of packets from the far side.
  func drop(_ rule: String) {
    let nft = "ip netns exec \(name)-a nft"
    let wasAdded =
      tool("\(nft) add table inet f")
      && tool("\(nft) 'add chain inet f in { type filter hook input priority 0; }'")
      && tool("\(nft) add rule inet f in 'iifname veth0 \(rule)'")
    #expect(wasAdded, "nft: \(rule)")
  }

  var hasDropped: Bool {
    tool("ip netns exec \(name)-a nft list ruleset | grep -E 'packets [1-9]'")
  }

  func cut() { #expect(tool("ip -n \(name)-b link set veth1 down")) }
  func mend() { #expect(tool("ip -n \(name)-b link set veth1 up")) }

  func slow() {
    for (end, device) in [("a", "veth0"), ("b", "veth1")] {
      let tc = "ip netns exec \(name)-\(end) tc qdisc add dev \(device) root tbf"
      #expect(tool("\(tc) rate 10mbit burst 32k latency 400ms"))
    }
  }
}
