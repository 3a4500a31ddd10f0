import Foundation
import Network
import Primitives
import TestSupport
import Testing
import Training

/// Faults, one after the other but for those of the chain: each is a run of real processes on real
/// sockets that is disturbed, and ends with the digest of the undisturbed run or with one clear
/// refusal.
@Suite(.serialized) struct FaultTests {}

/// A process that a test started, its output in a file.
final class Running {
  let process = Process()
  private let log: String
  var pid: Int32 { process.processIdentifier }

  init(
    _ executable: String, _ arguments: [String], in folder: String, log name: String,
    environment: [String: String] = [:]
  ) throws {
    log = "\(folder)/\(name).log"
    try Data().write(to: URL(fileURLWithPath: log))
    process.executableURL = URL(fileURLWithPath: executable)
    process.arguments = arguments
    process.currentDirectoryURL = URL(fileURLWithPath: folder)
    process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
    process.standardInput = FileHandle.nullDevice
    // One handle for both: with two each would write over the other's lines.
    let output = FileHandle(forWritingAtPath: log)
    process.standardOutput = output
    process.standardError = output
    try process.run()
  }

  deinit { if process.isRunning { signal(SIGKILL) } }

  func signal(_ number: Int32) { kill(pid, number) }

  /// The exit status; a signal's number plus 128, as shells have it.
  func status(within seconds: Double = 60) throws -> Int32 {
    try waitUntil(seconds, "the end of \(process.arguments ?? []): \(output)") {
      !process.isRunning
    }
    return process.terminationReason == .uncaughtSignal
      ? 128 + process.terminationStatus : process.terminationStatus
  }

  var output: String { (try? String(contentsOfFile: log, encoding: .utf8)) ?? "" }
}

/// Waits until `isDone`.
func waitUntil(
  _ seconds: Double = 60, _ what: @autoclosure () -> String, _ isDone: () -> Bool
) throws {
  let limit = Date().addingTimeInterval(seconds)
  while !isDone() {
    try #require(Date() < limit, "not within \(seconds) s: \(what())")
    usleep(2000)
  }
}

/// Runs a tool, and waits for it.
/// - Returns: whether it ended well.
@discardableResult func tool(_ line: String, _ shell: String = "sh") -> Bool {
  let process = Process()
  process.executableURL = URL(fileURLWithPath: "/bin/\(shell)")
  process.arguments = ["-c", "(\(line)) >/dev/null 2>&1"]
  guard (try? process.run()) != nil else { return false }
  process.waitUntilExit()
  return process.terminationStatus == 0
}

/// A folder with a small data set and a model, a coordinator's run in it, and its workers.
final class FaultRun {
  static let dogsled = Bundle.main.bundleURL.appendingPathComponent("dogsled").path
  private var options: [String] {
    [
      "--model", "model.json", "--epochs", "\(isLong ? 60 : 6)", "--steps-per-epoch", "40",
      "--batch-size", "6", "--batches-per-update", "4", "--seed", "7", "--learning-rate", "1e-3",
    ] + (isLong ? ["--augment"] : []) + (isRegularized ? Self.regularizing : [])
  }

  /// All of these draw or remember: what is drawn or remembered may not depend on who computes.
  private static let regularizing = [
    "--augment", "--dropout", "0.4", "--schedule", "cosine", "--warm-up", "1", "--optimizer",
    "adam",
    "--label-smoothing", "0.1", "--weight-decay", "1e-4",
  ]

  /// What a run in one process that nobody disturbs comes to.
  private static let undisturbed = Result { try alone(isLong: false) }
  private static let undisturbedLong = Result { try alone(isLong: true) }
  private static let undisturbedRegularized = Result {
    try alone(isLong: false, isRegularized: true)
  }
  private static func alone(isLong: Bool, isRegularized: Bool = false) throws -> Outcome {
    let run = try FaultRun(isLong: isLong, isRegularized: isRegularized)
    try run.trainAlone()
    return try run.outcome()
  }

  /// What a run came to.
  private struct Outcome: Equatable {
    let digest: String
    /// Of the best epoch's weights.
    let best: String
    let history: [String]
  }

  private func outcome() throws -> Outcome {
    Outcome(
      digest: try digest(), best: try digest(of: "best.h5"), history: try history())
  }

  let folder: String
  /// Longer than it takes to find out that a worker is silent.
  let isLong: Bool
  /// With augmentation, dropout, a rate that falls and Adam.
  let isRegularized: Bool
  /// What a worker must know; nil where nothing is encrypted, for peers that stand between.
  let token: Token?
  var host = "127.0.0.1"
  let port: Int
  /// Lines that come before a coordinator's or a worker's command, to run it elsewhere.
  var place: [String] = []
  private var count = 0
  private var all: [Running] = []
  private var harms: [Date] = []

  init(isLong: Bool = false, isRegularized: Bool = false, isLocked: Bool = true) throws {
    self.isLong = isLong
    self.isRegularized = isRegularized
    folder = NSTemporaryDirectory() + "dogsled-fault-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    let port = try #require((20000...32000).randomElement())
    let key = isLocked ? try Key() : nil
    self.port = port
    token = key.map { Token(of: $0, hosts: ["127.0.0.1"], port: port) }
    try key?.write(to: folder + "/run.key")
    try DrawnPictures.write(to: folder + "/data", train: 20, validation: 7, test: 1)
    try Self.model.write(toFile: "\(folder)/model.json", atomically: true, encoding: .utf8)
  }

  deinit {
    for running in all where running.process.isRunning { running.signal(SIGKILL) }
    try? FileManager.default.removeItem(atPath: folder)
  }

  /// Keras's JSON of a small network for pictures of 40 x 44.
  static let model = """
    {"class_name": "Sequential", "config": {"name": "small", "layers": [
    {"class_name": "InputLayer", "config": {"batch_shape": [null, 40, 44, 3], "name": "input"}},
    {"class_name": "Conv2D", "config": {"name": "c1", "filters": 16, "kernel_size": [3, 3],
     "strides": [1, 1], "padding": "valid", "activation": "relu", "use_bias": true}},
    {"class_name": "MaxPooling2D", "config": {"name": "p1", "pool_size": [2, 2],
     "strides": [2, 2], "padding": "valid"}},
    {"class_name": "Conv2D", "config": {"name": "c2", "filters": 32, "kernel_size": [3, 3],
     "strides": [1, 1], "padding": "valid", "activation": "relu", "use_bias": true}},
    {"class_name": "MaxPooling2D", "config": {"name": "p2", "pool_size": [2, 2],
     "strides": [2, 2], "padding": "valid"}},
    {"class_name": "Flatten", "config": {"name": "f"}},
    {"class_name": "Dense", "config": {"name": "d1", "units": 24, "activation": "relu",
     "use_bias": true}},
    {"class_name": "Dense", "config": {"name": "d2", "units": 1, "activation": "sigmoid",
     "use_bias": true}}]}}
    """

  // MARK: Processes

  private func start(
    _ arguments: [String], place: [String], environment: [String: String] = [:]
  ) throws -> Running {
    count += 1
    let line = place + [Self.dogsled] + arguments
    let running = try Running(
      line[0], Array(line.dropFirst()), in: folder, log: "\(count)-\(arguments[0])",
      environment: environment)
    all.append(running)
    return running
  }

  /// Runs in one process, and waits for its end.
  func trainAlone(_ extra: [String] = []) throws {
    let process = try start(["train", "data", "--run", "run"] + options + extra, place: [])
    try #require(try process.status(within: 300) == 0, "\(process.output)")
  }

  /// A run with worker processes of its own.
  func trainWithWorkers(_ count: Int) throws -> Running {
    try start(
      ["train", "data", "--run", "run", "--workers", "\(count)", "--threads", "1"] + options,
      place: [])
  }

  /// A coordinator of a new run, or of the one that is there.
  /// - Parameter lock: nil for the key that the workers have the token of, where there is one.
  func coordinator(
    workers: Int = 2, resuming: Bool = false, _ extra: [String] = [], run: String = "run",
    lock: [String]? = nil
  ) throws -> Running {
    let begin = resuming ? ["--resume", run] : ["--run", run] + options
    return try start(
      ["coordinator", "data", "--listen", "\(host):\(port)", "--workers", "\(workers)"]
        + (lock ?? (token == nil ? ["--insecure"] : ["--key", "run.key"])) + begin + extra,
      place: place)
  }

  func worker(
    at port: Int? = nil, data: String? = "data", _ extra: [String] = [], place: [String]? = nil,
    environment: [String: String] = [:]
  ) throws -> Running {
    try start(
      ["worker", "\(host):\(port ?? self.port)", "--threads", "1"]
        + (data.map { ["--data", $0] } ?? []) + (token == nil ? ["--insecure"] : []) + extra,
      place: place ?? self.place,
      environment: (token.map { ["DOGSLED_TOKEN": $0.text] } ?? [:]).merging(environment) { $1 })
  }

  /// A peer of the tests' own process.
  func client(_ mailbox: Mailbox<WorkerInput>) throws -> WorkerClient {
    try WorkerClient(
      host: host, port: port, lock: token.map(ClientLock.init) ?? .open, mailbox: mailbox)
  }

  /// Notes that the run is disturbed now.
  func disturb() { harms.append(Date()) }
  func disturb(_ harm: () throws -> Void) rethrows {
    disturb()
    try harm()
  }

  // MARK: What the run folder says

  /// The events' lines.
  func events() -> [String] {
    let text = (try? String(contentsOfFile: "\(folder)/run/events.jsonl", encoding: .utf8)) ?? ""
    return text.split(separator: "\n").map(String.init)
  }

  func count(_ kind: String) -> Int { events().count { $0.contains(#""kind":"\#(kind)""#) } }

  /// Waits until there are more events of this kind than `before`.
  func wait(for kind: String, after before: Int = 0, _ seconds: Double = 60) throws {
    try waitUntil(seconds, "\(kind): \(events().suffix(8))") { count(kind) > before }
  }

  /// Waits until one epoch more is over.
  func waitForAnEpoch() throws { try wait(for: "epoch", after: count("epoch")) }

  func digest(of file: String = "model.h5") throws -> String {
    let process = try Running(Self.dogsled, ["digest", "run/\(file)"], in: folder, log: "digest")
    try #require(try process.status() == 0, "\(process.output)")
    return process.output.trimmingCharacters(in: .whitespacesAndNewlines)
  }

  /// The history without what depends on time.
  func history() throws -> [String] {
    try String(contentsOfFile: "\(folder)/run/history.csv", encoding: .utf8)
      .split(separator: "\n").map { $0.split(separator: ",").prefix(5).joined(separator: ",") }
  }

  /// From the disturbance until the next epoch was over, the longest of several; in milliseconds.
  private func recovery() throws -> Int? {
    let style = Date.ISO8601FormatStyle(includingFractionalSeconds: true)
    let epochs = try events().filter { $0.contains(#""kind":"epoch""#) }.map { line in
      let time = try #require(line.firstMatch(of: #/"time":"([^"]+)"/#))
      return try Date(String(time.1), strategy: style)
    }
    return harms.compactMap { harm in
      epochs.first { $0 > harm }.map { Int($0.timeIntervalSince(harm) * 1000) }
    }.max()
  }

  /// The coordinator finishes, and all is as in the undisturbed run.
  func expectUndisturbed(
    _ coordinator: Running, _ what: String, location: SourceLocation = #_sourceLocation
  ) throws {
    let status = try coordinator.status(within: 120)
    #expect(status == 0, "\(coordinator.output)", sourceLocation: location)
    let expected =
      isRegularized
      ? Self.undisturbedRegularized : isLong ? Self.undisturbedLong : Self.undisturbed
    let outcome = try outcome()
    #expect(try outcome == expected.get(), sourceLocation: location)
    let recovery = try recovery().map { "next epoch over after \($0) ms" } ?? "in the last epoch"
    print("fault: \(what): \(recovery), digest \(outcome.digest)")
  }
}
