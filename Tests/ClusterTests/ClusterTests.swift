import Foundation
import Testing

@Suite(
  "cluster/launch against an sshd on loopback", .enabled(if: Cluster.hasServer, Cluster.needs),
  .serialized, .timeLimit(.minutes(10)))
struct ClusterTests {
  static let twoHosts = """
    # two hosts, three workers

    node1 slots=2   # this one has two
    node2
    """

  @Test("the weights are those of one process, also with a host down")
  func weights() async throws {
    let cluster = try await Cluster()
    defer { cluster.stop() }
    let alone = try await cluster.trainAlone(
      cluster.options(run: "alone") + ["--batches-per-update", "3", "--scale-rate", "linear"])
    let digest = try #require(Cluster.digest(alone))

    let both = try cluster.launch(
      Self.twoHosts, cluster.options(run: "both") + ["--workers", "3"])
    #expect(try await both.status() == 0, "\(both.output)")
    #expect(Cluster.digest(both.output) == digest, "\(both.output)")
    #expect(both.lines.count { $0 == "node1 | the run is over" } == 2, "\(both.output)")
    #expect(both.lines.count { $0 == "node2 | the run is over" } == 1, "\(both.output)")

    let one = try cluster.launch("node1\nnode3 slots=2", cluster.options(run: "one"))
    #expect(try await one.status() == 0, "\(one.output)")
    #expect(one.lines.count { $0.hasPrefix("cluster/launch: node3 cannot be used: ") } == 1)
    #expect(Cluster.digest(one.output) == digest, "\(one.output)")
    try await cluster.expectNothingLeft()
  }

  @Test("hosts that cannot be used are named, each with its reason")
  func unusableHosts() async throws {
    let cluster = try await Cluster()
    defer { cluster.stop() }
    let options = cluster.options(run: "run")
    let unreachable = try cluster.launch("node3", options)
    #expect(try await unreachable.status() == 1)
    #expect(unreachable.lines.count == 2, "\(unreachable.output)")
    #expect(unreachable.output.contains("node3 cannot be used: ssh: connect to host 127.0.0.3"))

    for variable in ["DOGSLED_REMOTE", "DOGSLED_DATA"] {
      let launch = try cluster.launch("node1", options, environment: [variable: "/none/such"])
      #expect(try await launch.status() == 1)
      #expect(launch.lines.count == 2, "\(launch.output)")
      #expect(launch.output.contains("node1 cannot be used: no "), "\(launch.output)")
      #expect(launch.output.contains(variable), "\(launch.output)")
    }
    try await cluster.expectNothingLeft()
  }

  @Test("wrong use: one clear line and status 2")
  func wrongUse() async throws {
    let cluster = try await Cluster()
    defer { cluster.stop() }
    for (hosts, line) in [
      ("node1\n-oProxyCommand=false", 2), ("node1 slots=0", 1), ("node1 slots=two", 1),
      ("# one\nnode1 slots=1 fast", 2), ("node1\n\nnode1", 3),
    ] {
      let launch = try cluster.launch(hosts, [])
      #expect(try await launch.status() == 2)
      #expect(launch.lines.count == 1 && launch.output.contains("hosts, line \(line): "))
    }
    let empty = try cluster.launch("# nobody", [])
    #expect(try await empty.status() == 2)
    #expect(empty.lines.count == 1 && empty.output.contains("names no host"))
    let listen = try cluster.launch("node1", ["--listen=127.0.0.1:1"])
    #expect(try await listen.status() == 2)
    #expect(listen.lines.count == 1 && listen.output.contains("--listen"))
    let elsewhere = try cluster.launch("node1", [], environment: ["DOGSLED_ADDRESS": "192.0.2.1"])
    #expect(try await elsewhere.status() == 2)
    #expect(elsewhere.output.contains("no such address"), "\(elsewhere.output)")
    try await cluster.expectNothingLeft()
  }

  /// A clone in which both were made: programs that say who they are, and have no host.
  @Test(
    "the newer of what swift build and scripts/package made is taken, or the one that is told",
    arguments: ["build", "package", "other"])
  func program(newer: String) async throws {
    let cluster = try await Cluster()
    defer { cluster.stop() }
    let places = [
      "build": "clone/.build/release", "other": "clone/other",
      "package": "clone/.build/package/dogsled-0.1-linux-\(try Self.architecture())/bin",
    ]
    let files = FileManager.default
    for (name, place) in places {
      try files.createDirectory(atPath: cluster.file(place), withIntermediateDirectories: true)
      try cluster.write(
        "#!/bin/sh\ncase $* in *--list) echo node1 1 ;; *) echo \(name) runs >&2; exit 7 ;; esac",
        to: "\(place)/dogsled")
      let isNewer = name == newer
      try files.setAttributes(
        [
          .posixPermissions: 0o700,
          .modificationDate: Date(timeIntervalSince1970: isNewer ? 9e8 : 8e8),
        ],
        ofItemAtPath: cluster.file("\(place)/dogsled"))
    }
    try files.createDirectory(
      atPath: cluster.file("clone/cluster"), withIntermediateDirectories: true)
    try files.copyItem(
      atPath: "\(Cluster.root)/cluster/launch", toPath: cluster.file("clone/cluster/launch"))
    try cluster.write("node1", to: "hosts")
    let path = try #require(places[newer].map { cluster.file("\($0)/dogsled") })
    let launch = try Launch(
      cluster.file("clone/cluster/launch"), [cluster.file("hosts"), cluster.file("data")],
      environment: ["DOGSLED": newer == "other" ? path : ""], output: cluster.file("launch"))
    #expect(try await launch.status() == 7, "\(launch.output)")
    let said = newer == "other" ? [] : ["cluster/launch: the program is \(path)"]
    #expect(launch.lines.map(String.init) == said + ["\(newer) runs"], "\(launch.output)")
    // What is not there is not taken.
    guard newer == "package" else { return }
    try files.removeItem(atPath: path)
    let other = try Launch(
      cluster.file("clone/cluster/launch"), [cluster.file("hosts"), cluster.file("data")],
      environment: ["DOGSLED": ""], output: cluster.file("launch"))
    #expect(try await other.status() == 7)
    #expect(other.lines.last == "build runs", "\(other.output)")
  }

  private static func architecture() throws -> String {
    var name = utsname()
    try #require(uname(&name) == 0)
    return withUnsafeBytes(of: name.machine) {
      String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
    }
  }

  /// Control-C on a terminal signals the launcher's process group; the others only the launcher.
  @Test(
    "nothing is left when it is interrupted or killed",
    arguments: [(SIGINT, true), (SIGINT, false), (SIGTERM, false), (SIGKILL, false)])
  func stopped(signal: Int32, group: Bool) async throws {
    let cluster = try await Cluster()
    defer { cluster.stop() }
    let launch = try cluster.launch(
      Self.twoHosts, cluster.options(epochs: 1_000_000, run: "run") + ["--workers", "3"])
    try await eventually("training goes on") { launch.output.contains("epoch 1/") }
    #expect(cluster.processes { $0.contains(" worker ") && !$0.hasPrefix("ssh") }.count == 3)
    #expect(kill(group ? -launch.processID : launch.processID, signal) == 0)
    #expect(try await launch.status() == (signal == SIGKILL ? -SIGKILL : 130))
    try await cluster.expectNothingLeft()
    #expect(FileManager.default.fileExists(atPath: cluster.file("run/checkpoint.h5")))
    // Its folder for temporary files, where a key would be.
    let left = try FileManager.default.contentsOfDirectory(atPath: cluster.folder)
    #expect(!left.contains { $0.hasPrefix("tmp.") }, "\(left)")
  }

  @Test("when every worker is gone the run ends with status 1")
  func lostWorkers() async throws {
    let cluster = try await Cluster()
    defer { cluster.stop() }
    let launch = try cluster.launch(
      "node1\nnode2", cluster.options(epochs: 1_000_000, run: "run") + ["--workers", "2"])
    try await eventually("training goes on") { launch.output.contains("epoch 1/") }
    for id in cluster.processes(where: { $0.contains(" worker ") && !$0.hasPrefix("ssh") }).keys {
      #expect(kill(id, SIGKILL) == 0)
    }
    #expect(try await launch.status() == 1)
    #expect(launch.output.contains("cluster/launch: a worker on node1 ended with status "))
    #expect(launch.output.contains("cluster/launch: no worker is left"), "\(launch.output)")
    try await cluster.expectNothingLeft()
  }
}
