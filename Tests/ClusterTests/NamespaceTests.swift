import Foundation
import Testing

@Suite(
  "machines that reach this one by different addresses", .serialized, .timeLimit(.minutes(10)),
  .enabled(if: Namespaces.whyNot == nil, Comment(rawValue: Namespaces.whyNot ?? "")))
struct NamespaceTests {
  /// What one process comes to that computes what three workers do.
  private func digestAlone(_ cluster: Cluster) async throws -> Substring {
    let alone = try await cluster.trainAlone(
      cluster.options(epochs: 1, run: "alone")
        + ["--batches-per-update", "3", "--scale-rate", "linear"])
    return try #require(Cluster.digest(alone))
  }

  @Test("this machine and two others, in every order", arguments: Namespaces.sixes)
  func everyOrder(six: Bool) async throws {
    let cluster = try await Cluster(in: Namespaces(six: six))
    defer { cluster.stop() }
    let digest = try await digestAlone(cluster)
    for (index, order) in Self.orders(["localhost", "node2", "node3"]).enumerated() {
      // Each must take part: training waits for all three.
      // The first of them is open, the others are locked.
      let launch = try cluster.launch(
        order.joined(separator: "\n"),
        cluster.options(epochs: 1, run: "run\(index)") + ["--workers", "3"]
          + (index == 0 ? ["--insecure"] : []))
      #expect(try await launch.status() == 0, "\(order): \(launch.output)")
      #expect(Cluster.digest(launch.output) == digest, "\(order): \(launch.output)")
      for host in order {
        #expect(launch.lines.contains("\(host) | the run is over"), "\(order): \(launch.output)")
      }
      #expect(launch.output.contains("neither encrypted nor authenticated") == (index == 0))
    }
    let loopback = try cluster.launch(
      "node1\nnode2", cluster.options(run: "loop") + ["--workers", "2"],
      environment: ["DOGSLED_ADDRESS": "127.0.0.1"])
    #expect(try await loopback.status() == 1)
    #expect(
      loopback.output.contains(
        "launch: node2 cannot be used: it cannot reach this machine at 127.0.0.1:"),
      "\(loopback.output)")
    try await cluster.expectNothingLeft()
  }

  @Test("a host that cannot connect is named, and the others go on")
  func unreached() async throws {
    let cluster = try await Cluster(in: Namespaces(six: false))
    defer { cluster.stop() }
    // The third has no way to the address by which the second sees this machine.
    let environment = ["DOGSLED_ADDRESS": "10.78.2.1"]
    let long = cluster.options(epochs: 1_000_000, run: "long")
    let both = try cluster.launch(
      "node2\nnode3", long + ["--workers", "2"], environment: environment)
    #expect(try await both.status() == 1, "\(both.output)")
    #expect(
      both.output.contains("node3 cannot be used: it cannot reach this machine at 10.78.2.1:"))
    #expect(both.output.contains("launch: --workers 2 cannot be had: "), "\(both.output)")
    let one = try cluster.launch(
      "node2\nnode3", cluster.options(epochs: 1, run: "one"), environment: environment)
    #expect(try await one.status() == 0, "\(one.output)")
    #expect(one.output.contains("launch: the run is over without node3"), "\(one.output)")
    try await cluster.expectNothingLeft()
  }

  @Test(
    "a coordinator on all addresses prints lines that workers can type", arguments: Namespaces.sixes
  )
  func everyAddress(six: Bool) async throws {
    let spaces = try Namespaces(six: six)
    let cluster = try await Cluster(in: spaces)
    defer { cluster.stop() }
    let hosts = six ? ["*", "0.0.0.0", "[::]"] : ["*", "0.0.0.0"]
    for (index, host) in hosts.enumerated() {
      let coordinator = try cluster.dogsled(
        ["coordinator", cluster.file("data"), "--listen", "\(host):0", "--workers", "3"]
          + cluster.options(epochs: 1, run: "all\(index)"), in: spaces.all[0])
      try await eventually("workers are waited for") { coordinator.output.contains("waiting") }
      let listens = try #require(coordinator.output.firstMatch(of: #/listens at  (.*)\n/#)).1
      let addresses = listens.split(separator: ", ").map(String.init)
      #expect(addresses.count == (six ? 4 : 2), "\(coordinator.output)")
      #expect(!coordinator.output.contains("0.0.0.0") && !coordinator.output.contains("[::]"))
      // The second and the third each type the address that they know; the first finds its own.
      let places = Array(zip(spaces.first, spaces.all[1...])) + [("10.78.2.1", spaces.all[0])]
      let workers = try places.enumerated().map { number, place in
        let (address, place) = place
        let line = try #require(addresses.first { $0.contains(address) })
        return try cluster.dogsled(
          ["worker", "--token-file", cluster.file("all\(index)/token")]
            + (number == places.count - 1 ? [] : [String(line)])
            + ["--data", cluster.file("data"), "--threads", "1"], in: place)
      }
      #expect(try await coordinator.status() == 0, "\(coordinator.output)")
      for worker in workers { #expect(try await worker.status() == 0, "\(worker.output)") }
    }
  }

  /// Three machines that have an sshd and nothing else: the program is copied there once, and
  /// workers are sent the pictures.
  @Test("hosts without program and data", arguments: Namespaces.sixes)
  func bareHosts(six: Bool) async throws {
    let cluster = try await Cluster(in: Namespaces(six: six))
    defer { cluster.stop() }
    let digest = try await digestAlone(cluster)
    let hosts = ["node1", "node2", "node3"]
    func launch(_ run: String) async throws {
      let launch = try cluster.launch(
        hosts.joined(separator: "\n"), cluster.options(epochs: 1, run: run) + ["--workers", "3"])
      #expect(try await launch.status() == 0, "\(launch.output)")
      #expect(Cluster.digest(launch.output) == digest, "\(launch.output)")
    }
    let files = FileManager.default
    func programs() throws -> [String: Date] {
      var found: [String: Date] = [:]
      for number in hosts.indices {
        let place = cluster.cache(number) + "/dogsled"
        for name in try files.contentsOfDirectory(atPath: place) where name.contains("-") {
          let path = "\(place)/\(name)/dogsled"
          #expect(try files.contentsOfDirectory(atPath: "\(place)/\(name)") == ["dogsled"])
          found[path] = try files.attributesOfItem(atPath: path)[.modificationDate] as? Date
        }
      }
      return found
    }
    try await launch("first")
    let copied = try programs()
    #expect(copied.count == 3)
    for path in copied.keys {
      #expect(files.contentsEqual(atPath: path, andPath: Cluster.dogsled))
    }
    // The second start copies nothing but what is damaged.
    let damaged = try #require(copied.keys.min())
    let handle = try #require(FileHandle(forWritingAtPath: damaged))
    try handle.write(contentsOf: Data("damaged".utf8))
    try handle.close()
    try await launch("second")
    for (path, date) in try programs() { #expect((date == copied[path]) == (path != damaged)) }
    #expect(files.contentsEqual(atPath: damaged, andPath: Cluster.dogsled))
    try await cluster.expectNothingLeft()
  }

  @Test("dogsled check says what each host is")
  func check() async throws {
    let cluster = try await Cluster(in: Namespaces(six: false))
    defer { cluster.stop() }
    try cluster.write("node1 slots=2\nnode2\nnode3\nnowhere.invalid", to: "hosts")
    let check = try cluster.dogsled(["check", cluster.file("hosts")])
    #expect(try await check.status() == 1)
    for (host, address) in [("node2", "10.78.2.1"), ("node3", "10.78.3.1")] {
      let row = try #require(check.lines.first { $0.hasPrefix("\(host) ") }, "\(check.output)")
      let end = try #require(row.firstMatch(of: #/[+-]?0\.\d\d s +equal +(\S+)$/#), "\(row)")
      #expect(end.1 == address)
      #expect(row.count { $0 == "/" } == 2, "both directions were measured: \(row)")
    }
    #expect(check.output.contains("\nnowhere.invalid  cannot be used\n"), "\(check.output)")
    #expect(check.lines.last?.hasPrefix("nowhere.invalid: ssh: Could not resolve") == true)
    let one = try cluster.dogsled(["check", "node2"])
    #expect(try await one.status() == 0, "\(one.output)")
    #expect(one.lines.count == 3, "\(one.output)")
    try await cluster.expectNothingLeft()
  }

  static let mayCapture = FileManager.default.isExecutableFile(atPath: "/usr/bin/tcpdump")

  /// What goes by between two machines, once locked and once not: the test sees what it looks for.
  @Test(
    "a capture shows TLS 1.3 and nothing that is plain", .enabled(if: mayCapture, "needs tcpdump"),
    arguments: [true, false])
  func capture(isLocked: Bool) async throws {
    let spaces = try Namespaces(six: false)
    let cluster = try await Cluster(in: spaces)
    defer { cluster.stop() }
    let file = cluster.file("capture")
    let capture = try Launch(
      spaces.all[0][0],
      spaces.all[0].dropFirst()
        + ["tcpdump", "-i", "dogsled2", "-U", "-s", "0", "-Z", "root", "-w", file, "tcp"],
      output: cluster.file("tcpdump"))
    try await eventually("tcpdump listens") { capture.output.contains("listening on") }
    let lock = isLocked ? [] : ["--insecure"]
    let coordinator = try cluster.dogsled(
      ["coordinator", cluster.file("data"), "--listen", "10.78.2.1:7777"]
        + cluster.options(epochs: 1, run: "run") + lock, in: spaces.all[0])
    try await eventually("workers are waited for") { coordinator.output.contains("waiting") }
    let worker = try cluster.dogsled(
      ["worker"]
        + (isLocked ? ["--token-file", cluster.file("run/token")] : ["10.78.2.1:7777"] + lock)
        + ["--data", cluster.file("data"), "--threads", "1"], in: spaces.all[1])
    #expect(try await coordinator.status() == 0, "\(coordinator.output)")
    #expect(try await worker.status() == 0, "\(worker.output)")
    kill(capture.processID, SIGINT)
    _ = try await capture.status()
    let bytes = try Data(contentsOf: URL(fileURLWithPath: file))
    #expect(bytes.count > 100_000)
    // The preface, the class names, a picture's name and the beginning of a JPEG in Base64.
    for word in ["DOGSLED", "cats", "cat.0.jpg", "/9j/"] {
      #expect((bytes.range(of: Data(word.utf8)) == nil) == isLocked, "\(word)")
    }
    // The extension by which a server chooses TLS 1.3 (RFC 8446, 4.2.1).
    let version13 = Data([0x00, 0x2B, 0x00, 0x02, 0x03, 0x04])
    #expect((bytes.range(of: version13) != nil) == isLocked)
  }

  /// All orders of some names.
  private static func orders(_ names: [String]) -> [[String]] {
    guard names.count > 1 else { return [names] }
    return names.flatMap { name in
      orders(names.filter { $0 != name }).map { [name] + $0 }
    }
  }
}
