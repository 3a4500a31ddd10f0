import Foundation
import TestSupport
import Testing

/// Signals to a run: it finishes its update, writes a checkpoint and ends, or goes on.
@Suite(.serialized) struct SignalTests {
  let folder: TemporaryFolder
  private static let program = Bundle.main.bundleURL.appendingPathComponent("dogsled").path
  private static let options = [
    "--steps-per-epoch", "8", "--validation-steps", "2", "--batch-size", "4", "--threads", "1",
    "--batches-per-update", "2", "--model", "model.json", "--heartbeat", "0.4",
  ]

  init() throws {
    folder = try TemporaryFolder()
    try DrawnPictures.write(to: folder.path + "/data", train: 16, validation: 4, test: 1)
    try folder.write(
      Data(
        """
        {"class_name": "Sequential", "config": {"name": "small", "layers": [
        {"class_name": "InputLayer", "config": {"batch_shape": [null, 40, 40, 3], "name": "i"}},
        {"class_name": "Conv2D", "config": {"name": "c1", "filters": 16, "kernel_size": [3, 3],
         "strides": [1, 1], "padding": "valid", "activation": "relu", "use_bias": true}},
        {"class_name": "Flatten", "config": {"name": "f"}},
        {"class_name": "Dense", "config": {"name": "d", "units": 1, "activation": "sigmoid",
         "use_bias": true}}]}}
        """.utf8), to: "model.json")
  }

  /// Starts a run after a shell's words `before`, in a process group of its own as Foundation
  /// always does; returns once its second epoch is over.
  private func start(_ extra: [String], epochs: Int = 100_000, before: String = "") throws
    -> Process
  {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/bin/sh")
    process.arguments =
      ["-c", "\(before) exec '\(Self.program)' \"$@\"", "sh"]
      + ["train", "data", "--run", "run", "--epochs", "\(epochs)"] + Self.options + extra
    process.currentDirectoryURL = URL(fileURLWithPath: folder.path)
    (process.standardOutput, process.standardError) = (Pipe(), Pipe())
    try process.run()
    try wait(for: 2, process)
    return process
  }

  private func epochs() -> Int {
    let history = try? String(contentsOfFile: "\(folder.path)/run/history.csv", encoding: .utf8)
    return max(0, (history ?? "").count { $0 == "\n" } - 1)
  }

  private func wait(for count: Int, _ process: Process) throws {
    let limit = Date().addingTimeInterval(60)
    while epochs() < count {
      try #require(Date() < limit && process.isRunning, "\(epochs()) epochs within a minute")
      usleep(2000)
    }
  }

  /// The processes that `parent` has started.
  private func children(of parent: Int32) throws -> [Int32] {
    try FileManager.default.contentsOfDirectory(atPath: "/proc").compactMap { Int32($0) }.filter {
      let status = try? String(contentsOfFile: "/proc/\($0)/status", encoding: .utf8)
      return status?.contains("\nPPid:\t\(parent)\n") == true
    }
  }

  /// To the process, to its group as a terminal's keys are, and to all as a batch system's are.
  enum Target: CaseIterable { case process, group, all }

  @Test(
    arguments: [SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2], [[], ["--workers", "2"]])
  func endsWithACheckpoint(_ number: Int32, _ extra: [String]) throws {
    for target in Target.allCases {
      try? FileManager.default.removeItem(atPath: folder.path + "/run")
      let process = try start(extra)
      let (leader, workers) = (
        process.processIdentifier, try children(of: process.processIdentifier)
      )
      #expect(workers.count == (extra.isEmpty ? 0 : 2))
      switch target {
      case .process: kill(leader, number)
      case .group: kill(-leader, number)
      case .all: for each in [leader] + workers { kill(each, number) }
      }
      let result = try Command(waitingFor: process)
      #expect(result.status == 130, "\(number) to \(target): \(result.errors)")
      #expect(result.errors.contains("interrupted: "), "\(result.errors)")
      #expect(try Command("digest", "run/checkpoint.h5", in: folder).status == 0)
      for worker in workers { #expect(kill(worker, 0) != 0, "worker \(worker) is left behind") }
    }
  }

  /// `nohup` has SIGHUP ignored; what a batch system sends still counts.
  @Test(arguments: [[], ["--workers", "2"]])
  func goesOnUnderNohup(_ extra: [String]) throws {
    let process = try start(extra, before: "trap '' HUP;")
    kill(-process.processIdentifier, SIGHUP)
    try wait(for: epochs() + 3, process)
    kill(process.processIdentifier, SIGUSR1)
    #expect(try Command(waitingFor: process).status == 130)
  }

  /// Ctrl-Z and `fg`, for longer than a heartbeat may be late.
  @Test(arguments: [[], ["--workers", "2"]])
  func goesOnAfterItWasStopped(_ extra: [String]) throws {
    let expected = try Command(
      ["train", "data", "--run", "alone", "--epochs", "12"] + Self.options, in: folder)
    let process = try start(extra, epochs: 12)
    kill(-process.processIdentifier, SIGTSTP)
    kill(-process.processIdentifier, SIGSTOP)
    sleep(2)
    kill(-process.processIdentifier, SIGCONT)
    let result = try Command(waitingFor: process)
    #expect(result.status == 0, "\(result.errors)")
    #expect(
      result.lines.first { $0.hasPrefix("digest") }
        == expected.lines.first {
          $0.hasPrefix("digest")
        })
  }

  /// A worker that waits for its coordinator, or for a name, ends at once.
  @Test(arguments: [SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2])
  func aWorkerWithoutCoordinatorEnds(_ number: Int32) throws {
    let port = try #require((20000...32000).randomElement())
    let process = try Command.start(
      ["worker", "127.0.0.1:\(port)", "--insecure", "--data", "data"], in: folder)
    let errors = try #require(process.standardError as? Pipe)
    let line = String(decoding: errors.fileHandleForReading.availableData, as: UTF8.self)
    #expect(line.contains("trying again"), "\(line)")
    kill(process.processIdentifier, number)
    process.waitUntilExit()
    #expect(process.terminationStatus == 130)
  }

  /// A worker that was started by hand leaves the run, which goes on.
  @Test func aWorkerLeavesTheRun() throws {
    let process = try start(["--workers", "1"])
    let worker = try Command.start(
      ["worker", "--token-file", "run/token", "--data", "data", "--threads", "1"], in: folder)
    let errors = try #require(worker.standardError as? Pipe)
    var seen = ""
    while !seen.contains("ready") {
      let more = errors.fileHandleForReading.availableData
      try #require(!more.isEmpty, "\(seen)")
      seen += String(decoding: more, as: UTF8.self)
    }
    kill(worker.processIdentifier, SIGUSR1)
    worker.waitUntilExit()
    #expect(worker.terminationStatus == 130)
    try wait(for: epochs() + 2, process)
    kill(process.processIdentifier, SIGTERM)
    let result = try Command(waitingFor: process)
    #expect(result.status == 130)
    #expect(result.errors.contains("it left the run"), "\(result.errors)")
  }
}
