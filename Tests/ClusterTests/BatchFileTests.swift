import Foundation
import TestSupport
import Testing

/// What `cluster/` holds for batch systems and services, given to the programs that read it.
@Suite(.timeLimit(.minutes(15)))
struct BatchFileTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private static func program(_ names: [String]) -> String? {
    names.first { FileManager.default.isExecutableFile(atPath: $0) }
  }

  private func run(_ command: String, _ arguments: [String]) throws -> Launch {
    try Launch(
      command, arguments, environment: ["DOGSLED": Cluster.dogsled], output: folder.file("output"))
  }

  private static let analyze = program(["/usr/bin/systemd-analyze"])

  @Test(
    "systemd reads the units", .enabled(if: analyze != nil, "needs systemd-analyze (systemd)"),
    arguments: ["dogsled-worker.service", "dogsled-coordinator@.service"], [false, true])
  func units(name: String, isDamaged: Bool) async throws {
    var text = try String(
      contentsOfFile: "\(Cluster.root)/cluster/systemd/\(name)", encoding: .utf8
    ).replacing("/usr/local/bin/dogsled", with: Cluster.dogsled)
    if isDamaged { text = text.replacing("RestartSec", with: "RestartSecond") }
    let file = folder.file(name.replacing("@.", with: "@pets."))
    try text.write(toFile: file, atomically: true, encoding: .utf8)
    let verify = try run(try #require(Self.analyze), ["verify", file])
    let status = try await verify.status()
    // It names what it does not know in a unit, and ends well all the same.
    let wrong = verify.lines.filter { $0.contains(folder.path) }
    #expect((status == 0 && wrong.isEmpty) == !isDamaged, "\(verify.output)")
  }

  private static let validate = program(
    [ProcessInfo.processInfo.environment["DOGSLED_PYTHON"] ?? ""].map {
      URL(fileURLWithPath: $0).deletingLastPathComponent().path + "/kubernetes-validate"
    } + ["/usr/local/bin/kubernetes-validate"])

  @Test(
    "Kubernetes's schemas know the file",
    .enabled(if: validate != nil, "needs kubernetes-validate (PyPI)"), arguments: [false, true])
  func kubernetes(isDamaged: Bool) async throws {
    let source = "\(Cluster.root)/cluster/kubernetes/dogsled.yaml"
    let file = folder.file("dogsled.yaml")
    let text = try String(contentsOfFile: source, encoding: .utf8)
    // Kubernetes' own default, 0644, is one that the program refuses.
    #expect(text.contains("defaultMode: 0400"))
    try (isDamaged ? text.replacing("backoffLimit", with: "backofLimit") : text)
      .write(toFile: file, atomically: true, encoding: .utf8)
    let check = try run(try #require(Self.validate), ["--strict", file])
    #expect((try await check.status() == 0) == !isDamaged, "\(check.output)")
  }

  private static let mayRunSlurm =
    getuid() == 0
    && ["/usr/sbin/slurmctld", "/usr/sbin/slurmd", "/usr/sbin/munged"].allSatisfy {
      program([$0]) != nil
    }

  /// Jobs of a real Slurm of one node: one that runs through, one that is interrupted and goes back
  /// into the queue, and one of `dogsled auto`.
  @Test(
    "Slurm runs cluster/slurm to the digest of one process",
    .enabled(if: mayRunSlurm, "needs root, slurm-wlm and munge"))
  func slurm() async throws {
    let launch = try run("\(Cluster.root)/scripts/slurm", [])
    let status = try await launch.status()
    // A machine may have the programs and not let them run.
    if status == 77 { return print("skipped: \(launch.output)") }
    #expect(status == 0, "\(launch.output)")
    let digests = launch.lines.compactMap { $0.firstMatch(of: #/ ([0-9a-f]{32})$/#)?.1 }
    #expect(digests.count == 4 && Set(digests).count == 1, "\(launch.output)")
  }
}
