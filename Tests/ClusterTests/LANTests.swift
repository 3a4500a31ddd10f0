import Foundation
import Testing

/// `scripts/lan`, on drawn pictures and a small model.
@Suite(
  "a LAN of namespaces", .timeLimit(.minutes(10)),
  .enabled(if: Namespaces.whyNoLAN == nil, Comment(rawValue: Namespaces.whyNoLAN ?? "")))
final class LANTests {
  private let folder = NSTemporaryDirectory() + "dogsled-" + UUID().uuidString

  init() async throws {
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    try Data(Cluster.model.utf8).write(to: URL(fileURLWithPath: folder + "/model.json"))
    let sample = try Launch(
      Cluster.dogsled,
      ["sample", folder + "/data", "--train", "30", "--validation", "10", "--test", "1"],
      output: folder + "/sample")
    try #require(try await sample.status() == 0, "\(sample.output)")
  }

  deinit { try? FileManager.default.removeItem(atPath: folder) }

  /// Starts a training run of the script.
  private func train(_ options: [String], name: String = "lan", steps: Int = 4) throws -> Launch {
    let settings = ["--model", folder + "/model.json", "--steps-per-epoch", "\(steps)"]
    return try Launch(
      Cluster.root + "/scripts/lan",
      ["train", folder + "/data", "--epochs", "2"] + options + ["--"] + settings,
      environment: ["DOGSLED": Cluster.dogsled, "TMPDIR": folder], output: "\(folder)/\(name)")
  }

  /// The namespaces that the folders of runs name.
  private func namespaces() throws -> [String] {
    let runs = try FileManager.default.contentsOfDirectory(atPath: folder)
      .filter { $0.hasPrefix("dogsled-lan.") }.compactMap { $0.split(separator: ".").last }
    let all = (try? FileManager.default.contentsOfDirectory(atPath: "/run/netns")) ?? []
    return all.filter { space in runs.contains { space.contains($0) } }
  }

  @Test("two at once give the digest and the figures, and leave nothing")
  func figures() async throws {
    let slow = try train(["--rate", "100mbit", "--batches-per-update", "4"])
    let unlimited = try train(["--rate", "none", "--workers", "3"], name: "unlimited")
    for (launch, workers, updates) in [(slow, 2, 4), (unlimited, 3, 3)] {
      try #require(try await launch.status() == 0, "\(launch.output)")
      let line = try #require(launch.lines.last)
      let figures = try #require(
        try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
      #expect(figures["workers"] as? Int == workers)
      #expect(figures["batches_per_update"] as? Int == updates)
      #expect((figures["digest"] as? String)?.count == 32, "\(line)")
      for name in ["pictures_per_second", "one_process", "ratio", "bytes_up_per_step"] {
        #expect(try #require(figures[name] as? Double) > 0, "\(name): \(line)")
      }
    }
    let left = try FileManager.default.contentsOfDirectory(atPath: folder)
    #expect(Set(left) == ["data", "model.json", "sample", "lan", "unlimited"])
  }

  @Test("a benchmark's workers get all settings from its coordinator")
  func bench() async throws {
    let launch = try Launch(
      Cluster.root + "/scripts/lan",
      ["bench", "--batches-per-update", "4", "--compute", "10", "--count", "5"],
      environment: ["DOGSLED": Cluster.dogsled, "TMPDIR": folder], output: folder + "/lan")
    try #require(try await launch.status() == 0, "\(launch.output)")
    let line = try #require(launch.lines.last)
    let figures = try #require(
      try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
    #expect(figures["workers"] as? Int == 2)
    #expect(figures["batches_per_update"] as? Int == 4)
    #expect(figures["compute_ms"] as? Double == 10)
    #expect(try #require(figures["update_ms"] as? Double) > 20, "\(line)")
  }

  @Test("an interrupt ends everything", arguments: [SIGINT, SIGTERM])
  func interrupt(signal: Int32) async throws {
    let launch = try train([], steps: 1_000_000)
    try await eventually("training begins") { launch.output.contains("one process") }
    let spaces = try namespaces()
    #expect(spaces.count == 4, "\(spaces)")
    kill(-launch.processID, signal)
    #expect(try await launch.status() == 128 + signal, "\(launch.output)")
    let all = (try? FileManager.default.contentsOfDirectory(atPath: "/run/netns")) ?? []
    #expect(Set(all).isDisjoint(with: spaces))
    let left = try FileManager.default.contentsOfDirectory(atPath: folder)
    #expect(Set(left) == ["data", "model.json", "sample", "lan"])
  }
}
