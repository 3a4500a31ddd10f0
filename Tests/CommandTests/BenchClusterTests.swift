import Engine
import Foundation
import KerasFiles
import TestSupport
import Testing

/// `bench cluster`: a real coordinator with workers that replay a step of a small model.
@Suite struct BenchClusterTests {
  let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
    let model = try KerasConfiguration.encode(
      Architecture(
        input: Shape(height: 20, width: 20, channels: 3),
        layers: [
          (nil, .convolution(Convolution(filters: 8))), (nil, .maxPooling(size: 2)),
          (nil, .flatten), (nil, .dense(units: 32, activation: .relu)),
          (nil, .dense(units: 1, activation: .sigmoid)),
        ]))
    try folder.write(Data(model.utf8), to: "small.json")
  }

  private func arguments(_ more: [String], count: Int = 4) -> [String] {
    ["bench", "cluster", "--model", "small.json", "--batch-size", "4", "--compute", "5"] + more
      + ["--batches-per-update", "2", "--count", "\(count)"]
  }

  /// Adds to `text` what `process` writes to standard error, up to `word`.
  private func read(_ process: Process, until word: String, _ text: inout String) throws {
    let pipe = try #require(process.standardError as? Pipe)
    while !text.contains(word) {
      let data = pipe.fileHandleForReading.availableData
      try #require(!data.isEmpty, "it ended: \(text)")
      text += String(decoding: data, as: UTF8.self)
    }
  }

  /// Starts two workers of a coordinator, as it says.
  private func startWorkers(of coordinator: Process, _ text: inout String) throws -> [Process] {
    try read(coordinator, until: "waiting for", &text)
    let address = try #require(text.firstMatch(of: #/listens at  (127\.0\.0\.1:\d+) /#)).1
    let words = ["bench", "cluster", "--join", String(address), "--token-file", "token"]
    return try (0..<2).map { _ in try Command.start(words, in: folder) }
  }

  private func figures(_ command: Command) throws -> [String: Any] {
    #expect(command.status == 0, "\(command.errors)")
    let line = try #require(command.lines.first, "\(command.errors)")
    #expect(command.lines.count == 1)
    return try #require(
      try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
  }

  @Test func `However many workers, and however weights travel, the digest is the same`() throws {
    var digests: Set<String> = []
    for (workers, weights) in [(1, "update"), (2, "update"), (2, "whole")] {
      let figures = try figures(
        Command(
          arguments(["--workers", "\(workers)", "--weights", weights]), in: folder,
          environment: ["TMPDIR": folder.path]))
      #expect(figures["bench"] as? String == "cluster")
      #expect(figures["workers"] as? Int == workers)
      #expect(figures["batches_per_update"] as? Int == 2)
      #expect(figures["count"] as? Int == 4)
      #expect(figures["weights"] as? String == weights)
      #expect(figures["compute_ms"] as? Double == 5)
      let apply = try #require(figures["apply_ms"] as? Double)
      let ideal = try #require(figures["ideal_ms"] as? Double)
      #expect(abs(ideal - (workers == 1 ? 10 : 5) - apply) < 1e-6, "\(figures)")
      let update = try #require(figures["update_ms"] as? Double)
      // Nobody computes faster than the clock.
      #expect(update > (workers == 1 ? 10 : 5), "\(figures)")
      let share = try #require(figures["share"] as? Double)
      #expect(abs(share - ideal / update) < 1e-6)
      for name in ["bytes_up_per_step", "bytes_down_per_update"] {
        #expect(try #require(figures[name] as? Int) > 1000, "\(figures)")
      }
      for name in [
        "coordinator_waited_ms", "worker_waited_ms", "coordinator_thread_ms",
        "coordinator_process_ms",
      ] {
        #expect(try #require(figures[name] as? Double) > 0, "\(name): \(figures)")
      }
      digests.insert(try #require(figures["digest"] as? String))
    }
    #expect(digests.count == 1 && digests.first?.count == 32, "\(digests)")
    let left = try FileManager.default.contentsOfDirectory(atPath: folder.path)
    #expect(left == ["small.json"], "what workers log is removed: \(left)")
  }

  @Test func `Workers of other machines need nothing but the address and the token`() throws {
    let coordinator = try Command.start(
      arguments(["--workers", "2", "--listen", "127.0.0.1:0", "--token-file", "token"]), in: folder)
    defer { if coordinator.isRunning { coordinator.terminate() } }
    var text = ""
    let workers = try startWorkers(of: coordinator, &text)
    for worker in workers {
      let worker = try Command(waitingFor: worker)
      #expect(worker.status == 0 && worker.errors.contains("the run is over"), "\(worker.errors)")
    }
    let figures = try figures(Command(waitingFor: coordinator))
    #expect(figures["workers"] as? Int == 2)
  }

  @Test func `Figures of fewer workers than were asked for are not printed`() throws {
    let coordinator = try Command.start(
      arguments(
        ["--workers", "2", "--listen", "127.0.0.1:0", "--token-file", "token"], count: 9000),
      in: folder)
    defer { if coordinator.isRunning { coordinator.terminate() } }
    var text = ""
    let workers = try startWorkers(of: coordinator, &text)
    for number in 1...2 { try read(coordinator, until: "worker \(number) (", &text) }
    Thread.sleep(forTimeInterval: 0.5)
    kill(workers[0].processIdentifier, SIGKILL)
    let end = try Command(waitingFor: coordinator)
    #expect(end.status == 128)
    #expect(end.output.isEmpty)
    #expect(end.errorLines.last?.contains("worth nothing") == true, "\(end.errors)")
    for worker in workers { worker.waitUntilExit() }
  }

  @Test func `A coordinator that trains has nothing to replay`() throws {
    #expect(
      try Command("sample", "data", "--train", "10", "--validation", "2", "--test", "0", in: folder)
        .status == 0)
    let coordinator = try Command.start(
      [
        "coordinator", "data", "--model", "small.json", "--batch-size", "4", "--listen",
        "127.0.0.1:0", "--run", "run",
      ], in: folder)
    defer {
      coordinator.terminate()
      coordinator.waitUntilExit()
    }
    var text = ""
    try read(coordinator, until: "waiting for", &text)
    let address = try #require(text.firstMatch(of: #/listens at  (127\.0\.0\.1:\d+)/#)).1
    let worker = try Command(
      "bench", "cluster", "--join", String(address), "--token-file", "run/token", in: folder)
    #expect(worker.status == 1)
    #expect(worker.errorLines.last?.contains("none of dogsled bench cluster") == true)
  }

  @Test(arguments: [
    (["--compute", "5"], "--workers is needed"), (["--workers", "2"], "--compute is needed"),
    (["--workers", "0", "--compute", "5"], "--workers must be"),
    (["--workers", "257", "--compute", "5"], "--workers must be"),
    (["--workers", "2", "--compute", "0"], "--compute must be"),
    (["--workers", "2", "--compute", "nan"], "--compute must be"),
    (["--workers", "2", "--compute", "5", "--count", "0"], "--count must be"),
    (["--workers", "2", "--compute", "5", "--batch-size", "0"], "--batch-size must be"),
    (
      ["--workers", "2", "--compute", "5", "--batches-per-update", "9999"],
      "--batches-per-update must be"
    ),
    (
      ["--workers", "2", "--compute", "5", "--batches-per-update", "4000", "--count", "900"],
      "more than a million steps"
    ),
    (["--workers", "2", "--compute", "5", "--weights", "none"], "--weights"),
    (["--workers", "2", "--compute", "5", "--insecure"], "--token-file are for --listen"),
    (["--join", "127.0.0.1:7777", "--workers", "2"], "--workers cannot be given with --join"),
    (["--join", "127.0.0.1:7777"], "its token is missing"),
    (["--join", "127.0.0.1:0", "--insecure"], "a coordinator's port"),
    (["--workers", "2", "--compute", "5", "--listen", "*:0"], "--token-file is needed"),
  ])
  func `What cannot be measured is said in a line`(arguments: [String], says: String) throws {
    let result = try Command(["bench", "cluster"] + arguments, in: folder)
    #expect(result.status == 2)
    #expect(result.errorLines.count == 1)
    #expect(result.errors.contains(says), "\(result.errors)")
  }
}
