import Foundation
import TestSupport
import Testing

/// Limits of processes, threads and memory, one step after the other, so that each thread and each
/// piece of memory in turn is the one that cannot be had: the verb ends by itself with one clear
/// line, and with status 0 or 128.
@Suite(.serialized) struct LimitTests {
  let folder: TemporaryFolder
  static let program = Bundle.main.bundleURL.appendingPathComponent("dogsled").path

  /// A user that has no process.
  private static let stranger = "setpriv --reuid 54321 --regid 54321 --clear-groups"
  private static let hasStranger = succeeds("\(stranger) prlimit --nproc=9 '\(program)' --version")

  /// Drawn pictures in `data` and a finished run in `run`, made once for all tests.
  private static let finished = Result {
    let folder = try TemporaryFolder()
    try DrawnPictures.write(to: folder.path + "/data", train: 20, validation: 4, test: 2)
    try folder.write(Data(Self.model.utf8), to: "model.json")
    let run = try Command(["train", "data", "--run", "run"] + Self.options, in: folder)
    try #require(run.status == 0, "\(run.errors)")
    return folder
  }

  /// A folder for everybody, with a copy of what is in `finished`.
  init() throws {
    let finished = try Self.finished.get()
    folder = try TemporaryFolder()
    chmod(folder.path, 0o777)
    for name in ["data", "model.json", "run"] {
      try FileManager.default.copyItem(
        atPath: finished.path + "/" + name, toPath: folder.path + "/" + name)
    }
  }

  private static let model = """
    {"class_name": "Sequential", "config": {"name": "small", "layers": [
    {"class_name": "InputLayer", "config": {"batch_shape": [null, 40, 44, 3], "name": "input"}},
    {"class_name": "Conv2D", "config": {"name": "c1", "filters": 16, "kernel_size": [3, 3],
     "strides": [1, 1], "padding": "valid", "activation": "relu", "use_bias": true}},
    {"class_name": "MaxPooling2D", "config": {"name": "p1", "pool_size": [2, 2],
     "strides": [2, 2], "padding": "valid"}},
    {"class_name": "Flatten", "config": {"name": "f"}},
    {"class_name": "Dense", "config": {"name": "d2", "units": 1, "activation": "sigmoid",
     "use_bias": true}}]}}
    """
  private static let options = [
    "--model", "model.json", "--epochs", "2", "--steps-per-epoch", "4", "--validation-steps", "2",
    "--batch-size", "4", "--threads", "2",
  ]

  /// What is tried: the verbs that start threads.
  enum Verb: String, CaseIterable {
    case train, workers, coordinator, worker, predict, evaluate, step, decode, sample
  }

  /// The words of `verb`, and what runs beside it without a limit.
  private func words(_ verb: Verb, _ port: Int, _ name: String) -> (line: [String], peer: [String])
  {
    let hostOptions = ["data", "--run", name] + Self.options
    let coordinator =
      ["coordinator"] + hostOptions + ["--listen", "127.0.0.1:\(port)", "--insecure"]
    let worker = ["worker", "127.0.0.1:\(port)", "--insecure", "--data", "data", "--threads", "2"]
    switch verb {
    case .train: return (["train"] + hostOptions, [])
    case .workers: return (["train"] + hostOptions + ["--workers", "2"], [])
    case .coordinator: return (coordinator, worker)
    case .worker: return (worker, coordinator)
    case .predict:
      return (["predict", "run/model.h5", "--threads", "2", "data/test/cats/cat.24.jpg"], [])
    case .evaluate: return (["evaluate", "run/model.h5", "data/test", "--threads", "2"], [])
    case .step:
      return (
        ["bench", "step", "--model", "model.json", "--batch-size", "4", "--count", "2"]
          + ["--threads", "2"], []
      )
    case .decode: return (["bench", "decode", "data/test/cats/cat.24.jpg"], [])
    case .sample:
      return (
        ["sample", name, "--train", "2", "--validation", "2", "--test", "2"], []
      )
    }
  }

  /// Runs `verb` after `limit`, a shell's words, and sees that it ends as it must.
  /// - Returns: whether it was done.
  private func endsWell(_ verb: Verb, _ limit: String, _ name: String) throws -> Bool {
    let port = try #require((20000...32000).randomElement())
    let (words, peerWords) = words(verb, port, name)
    let peer = peerWords.isEmpty ? nil : try Command.start(peerWords, in: folder)
    defer {
      if let peer, peer.isRunning { kill(peer.processIdentifier, SIGKILL) }
      peer?.waitUntilExit()
    }
    let shell = Process()
    shell.executableURL = URL(fileURLWithPath: "/bin/sh")
    shell.arguments = ["-c", "\(limit) timeout -s KILL 60 '\(Self.program)' \"$@\"", "sh"] + words
    shell.currentDirectoryURL = URL(fileURLWithPath: folder.path)
    (shell.standardOutput, shell.standardError) = (Pipe(), Pipe())
    try shell.run()
    // A coordinator without the memory to take part in the exchange waits for other workers.
    let process = shell.processIdentifier
    if verb == .coordinator {
      peer?.terminationHandler = { if $0.terminationStatus != 0 { kill(process, SIGTERM) } }
    }
    let result = try Command(waitingFor: shell)
    peer?.terminationHandler = nil
    let last = result.errorLines.last ?? ""
    // Where not even the shell's next program can be started, this program never ran.
    if result.status == 127 || last.hasPrefix("sh: ") || last.hasPrefix("timeout: ") {
      return false
    }
    let expected: [Int32] = verb == .coordinator ? [0, 128, 130] : [0, 128]
    #expect(expected.contains(result.status), "\(verb), \(limit): \(result)")
    #expect(!result.errors.contains("crashed"), "\(verb), \(limit): \(result.errors)")
    if result.status == 128 {
      #expect(last.hasPrefix("dogsled: "), "\(verb), \(limit): \(result.errors)")
    }
    return result.status == 0
  }

  /// Every number of threads from one on, until there are enough.
  @Test(.enabled(if: hasStranger, "needs root, setpriv and prlimit"), arguments: Verb.allCases)
  func eachThreadInTurnCannotBeHad(_ verb: Verb) throws {
    for most in 1..<60 {
      let limit = "exec \(Self.stranger) prlimit --nproc=\(most)"
      if try endsWell(verb, limit, "p\(verb)-\(most)") { return }
    }
    Issue.record("\(verb): 60 threads are not enough")
  }

  /// More and more address space, until there is enough.
  @Test(arguments: Verb.allCases)
  func memoryIsShortAtEachMoment(_ verb: Verb) throws {
    for most in stride(from: 120_000, to: 2_000_000, by: 60_000) {
      if try endsWell(verb, "ulimit -v \(most); exec", "v\(verb)-\(most)") { return }
    }
    Issue.record("\(verb): 2 GB of address space are not enough")
  }

  @Test(.enabled(if: hasStranger, "needs root, setpriv and prlimit"))
  func manyThreadsAreNamedWithWhatToDo() throws {
    let result = try Command(
      waitingFor: Self.start(
        "\(Self.stranger) prlimit --nproc=30 '\(Self.program)' train data --run many "
          + Self.options.dropLast().joined(separator: " ") + " 48", in: folder))
    #expect(result.status == 128)
    let line = try #require(result.errorLines.last)
    for part in ["one of 48", "beside the", "--threads", "ulimit -u", "pids limit"] {
      #expect(line.contains(part), "\(line)")
    }
  }

  private static func start(_ line: String, in folder: TemporaryFolder) throws -> Process {
    let shell = Process()
    shell.executableURL = URL(fileURLWithPath: "/bin/sh")
    shell.arguments = ["-c", "exec " + line]
    shell.currentDirectoryURL = URL(fileURLWithPath: folder.path)
    (shell.standardOutput, shell.standardError) = (Pipe(), Pipe())
    try shell.run()
    return shell
  }

  private static func succeeds(_ line: String) -> Bool {
    let shell = Process()
    shell.executableURL = URL(fileURLWithPath: "/bin/sh")
    shell.arguments = ["-c", "\(line) >/dev/null 2>&1"]
    guard (try? shell.run()) != nil else { return false }
    shell.waitUntilExit()
    return shell.terminationStatus == 0
  }
}
