import Engine
import Foundation
import KerasFiles
import Pictures
import TestSupport
import Testing

/// The verbs that train, as real processes on real sockets.
@Suite(.serialized) struct TrainCommandTests {
  let folder: TemporaryFolder

  /// A folder with drawn pictures in `data` and a small network in `model.json`.
  init() throws {
    folder = try TemporaryFolder()
    try DrawnPictures.write(
      to: folder.path + "/data", train: 20, validation: 7, test: 1, seed: 4)
    let architecture = try Architecture(
      input: Shape(height: 40, width: 44, channels: 3),
      layers: [
        (nil, .convolution(Convolution(filters: 16))), (nil, .maxPooling(size: 2)),
        (nil, .convolution(Convolution(filters: 32))), (nil, .maxPooling(size: 2)),
        (nil, .flatten), (nil, .dense(units: 24, activation: .relu)),
        (nil, .dense(units: 1, activation: .sigmoid)),
      ])
    try folder.write(Data(KerasConfiguration.encode(architecture).utf8), to: "model.json")
  }

  private static let options = [
    "--model", "model.json", "--epochs", "2", "--steps-per-epoch", "10", "--batch-size", "6",
    "--batches-per-update", "4", "--seed", "7", "--learning-rate", "1e-3",
  ]

  private func train(
    _ run: String, _ arguments: [String], environment: [String: String] = [:]
  ) throws -> Command {
    try Command(
      ["train", "data", "--run", run] + Self.options + arguments, in: folder,
      environment: environment)
  }

  private func digest(_ command: Command) throws -> String {
    let line = command.lines.first { $0.hasPrefix("digest ") }
    return try #require(
      line?.split(separator: " ").last.map(String.init), "\(command.errors)")
  }

  /// The history without the columns that tell times and bytes.
  private func history(_ run: String) throws -> [String] {
    try String(contentsOfFile: "\(folder.path)/\(run)/history.csv", encoding: .utf8)
      .split(separator: "\n").map { $0.split(separator: ",").prefix(5).joined(separator: ",") }
  }

  @Test func theWeightsAreTheSameHoweverTheyAreComputed() throws {
    let expected = try digest(train("one", ["--threads", "1"]))
    #expect(try digest(train("two", ["--threads", "2"])) == expected)
    for kernels in KernelSet.available {
      let run = try train("k-\(kernels)", [], environment: ["DOGSLED_KERNELS": kernels.rawValue])
      #expect(try digest(run) == expected, "with \(kernels) kernels")
    }
    for workers in 1...4 {
      let run = "w\(workers)"
      #expect(
        try digest(train(run, ["--workers", "\(workers)"])) == expected, "\(workers) workers")
      #expect(try history(run) == history("one"))
    }
    #expect(try Command("digest", "w3/model.h5", in: folder).lines == [expected])
    let others = try digest(train("other", ["--seed", "8"]))
    #expect(others != expected)
    let fast = try digest(train("fast", ["--decode", "fast"]))
    #expect(fast != expected)
    #expect(try digest(train("fast2", ["--decode", "fast", "--workers", "2"])) == fast)
  }

  @Test func coordinatorAndWorkersStartedByHandInAnyOrder() throws {
    let expected = try digest(train("one", []))
    let port = try #require((20000...32000).randomElement())
    #expect(try Command("key", "lab.key", in: folder).status == 0)
    let token = try #require(
      try Command("key", "lab.key", "--token", "127.0.0.1:\(port)", in: folder).lines.first)
    let worker = ["worker", "--data", "data", "--threads", "1"]
    let first = try Command.start(worker, in: folder, environment: ["DOGSLED_TOKEN": token])
    let coordinator = try Command.start(
      [
        "coordinator", "data", "--listen", "127.0.0.1:\(port)", "--workers", "2", "--run", "hand",
        "--key", "lab.key",
      ] + Self.options, in: folder)
    let second = try Command.start(worker + [token], in: folder)
    let result = try Command(waitingFor: coordinator)
    #expect(result.status == 0, "\(result.errors)")
    #expect(try digest(result) == expected)
    for process in [first, second] {
      #expect(try Command(waitingFor: process).status == 0)
    }
    #expect(try history("hand") == history("one"))
  }

  @Test(arguments: [SIGINT, SIGTERM]) func interruptedWithACheckpoint(_ signal: Int32) throws {
    let process = try Command.start(
      ["train", "data", "--run", "cut", "--workers", "2"] + Self.options + ["--epochs", "4000"],
      in: folder)
    let history = "\(folder.path)/cut/history.csv"
    let limit = Date().addingTimeInterval(60)
    while ((try? String(contentsOfFile: history, encoding: .utf8)) ?? "").count(where: {
      $0 == "\n"
    })
      < 2
    {
      try #require(Date() < limit, "no epoch within a minute")
      usleep(5000)
    }
    kill(process.processIdentifier, signal)
    #expect(try Command(waitingFor: process).status == 130)
    #expect(try Command("digest", "cut/checkpoint.h5", in: folder).status == 0)
  }

  /// What another try may mend has a status from 128 on.
  @Test func aRunWithoutWorkersIsCutShort() throws {
    let process = try Command.start(
      ["train", "data", "--run", "killed", "--workers", "1"] + Self.options + ["--epochs", "4000"],
      in: folder)
    let events = "\(folder.path)/killed/events.jsonl"
    let limit = Date().addingTimeInterval(60)
    var worker: Int32?
    while worker == nil {
      try #require(Date() < limit && process.isRunning, "no worker within a minute")
      usleep(5000)
      // The worker's name is its host and process.
      let text = (try? String(contentsOfFile: events, encoding: .utf8)) ?? ""
      worker = try text.firstMatch(
        of: Regex(#""name":"[^"]*:(\d+)""#, as: (Substring, Substring).self)
      )
      .flatMap { Int32($0.1) }
    }
    kill(try #require(worker), SIGKILL)
    let result = try Command(waitingFor: process)
    #expect(result.status == 128)
    #expect(result.errorLines.last?.contains("killed by signal 9") == true, "\(result.errors)")
    let port = try #require((20000...32000).randomElement())
    let listen = ["coordinator", "data", "--listen", "127.0.0.1:\(port)"] + Self.options
    let first = try Command.start(listen + ["--run", "first"], in: folder)
    defer { kill(first.processIdentifier, SIGKILL) }
    while !FileManager.default.fileExists(atPath: "\(folder.path)/first/events.jsonl") {
      try #require(Date() < limit && first.isRunning, "no run folder within a minute")
      usleep(5000)
    }
    let second = try Command(listen + ["--run", "second"], in: folder)
    #expect(second.status == 128 && second.errors.contains("in use"), "\(second.errors)")
  }

  @Test func aKilledRunGoesOnToTheSameWeights() throws {
    let long = Self.options + ["--epochs", "12"]
    let expected = try digest(Command(["train", "data", "--run", "one"] + long, in: folder))
    let process = try Command.start(["train", "data", "--run", "dead"] + long, in: folder)
    let checkpoint = "\(folder.path)/dead/checkpoint.h5"
    let limit = Date().addingTimeInterval(60)
    while !FileManager.default.fileExists(atPath: checkpoint) {
      try #require(Date() < limit && process.isRunning, "no checkpoint, or not within a minute")
      usleep(5000)
    }
    kill(process.processIdentifier, SIGKILL)
    _ = try Command(waitingFor: process)
    let other = try Command("train", "data", "--resume", "dead", "--seed", "8", in: folder)
    #expect(other.status == 1)
    let seed = "started with --seed 7 (not 8)"
    #expect(other.errorLines.last?.contains(seed) == true, "\(other.errors)")
    let result = try Command("train", "data", "--resume", "dead", "--workers", "2", in: folder)
    #expect(try digest(result) == expected, "\(result.errors)")
    #expect(try history("dead") == history("one"))
    try folder.write(Data("another picture".utf8), to: "data/train/cats/cat.0.jpg")
    let changed = try Command("train", "data", "--resume", "dead", "--skip-unreadable", in: folder)
    #expect(changed.status == 1)
    let difference = "of 54 files 0 changed, 1 missing, 0 new: train/cats/cat.0.jpg is missing"
    #expect(changed.errorLines.last?.contains(difference) == true, "\(changed.errors)")
  }

  /// Killed five times at moments of its own, each time in the middle of an epoch or not.
  @Test func aRunThatIsKilledOverAndOverEndsInTheSameWeights() throws {
    let long = Self.options + ["--epochs", "12", "--steps-per-epoch", "60"]
    let expected = try digest(Command(["train", "data", "--run", "one"] + long, in: folder))
    var arguments = ["train", "data", "--run", "dead"] + long
    let events = "\(folder.path)/dead/events.jsonl"
    func checkpoints() -> Int {
      let text = (try? String(contentsOfFile: events, encoding: .utf8)) ?? ""
      return text.split(separator: "\n").count { $0.contains(#""kind":"checkpoint""#) }
    }
    for round in 0..<5 {
      let before = checkpoints()
      let process = try Command.start(
        arguments + ["--checkpoint-every", "\(2 + round)"], in: folder)
      let limit = Date().addingTimeInterval(60)
      while checkpoints() < before + 2 + round, process.isRunning {
        try #require(Date() < limit, "no checkpoint within a minute")
        usleep(useconds_t(1000 + 700 * round))
      }
      kill(process.processIdentifier, SIGKILL)
      _ = try Command(waitingFor: process)
      arguments = ["train", "data", "--resume", "dead"]
    }
    // The newest is damaged: the one before leads to the same weights.
    let checkpoint = URL(fileURLWithPath: folder.path + "/dead/checkpoint.h5")
    var bytes = try Data(contentsOf: checkpoint)
    bytes[bytes.count / 2] ^= 1
    try bytes.write(to: checkpoint)
    let result = try Command("train", "data", "--resume", "dead", in: folder)
    #expect(try digest(result) == expected, "\(result.errors)")
    #expect(result.errorLines.first?.contains("going on from the checkpoint before") == true)
    #expect(try history("dead") == history("one"))
  }

  /// What a run folder says must be of one run.
  @Test func aRunFolderThatContradictsItselfIsRefused() throws {
    #expect(try train("run", []).status == 0)
    #expect(try train("other", ["--seed", "8"]).status == 0)
    let run = folder.path + "/run"
    func resume(_ name: String, _ change: (String) throws -> Void) throws -> String {
      let copy = "\(folder.path)/\(name)"
      try FileManager.default.copyItem(atPath: run, toPath: copy)
      try change(copy)
      let result = try Command("train", "data", "--resume", name, in: folder)
      #expect(result.status == 1, "\(result.errors)")
      #expect(result.output.isEmpty)
      return try #require(result.errorLines.last)
    }
    let edited = try resume("edited") {
      let json = try String(contentsOfFile: $0 + "/run.json", encoding: .utf8)
      try Data(json.replacingOccurrences(of: "\"epochs\" : 2", with: "\"epochs\" : 5").utf8)
        .write(to: URL(fileURLWithPath: $0 + "/run.json"))
    }
    #expect(edited.contains("not of the run that run.json describes"), "\(edited)")
    let foreign = try resume("foreign") {
      try FileManager.default.removeItem(atPath: $0 + "/checkpoint.h5")
      try FileManager.default.copyItem(
        atPath: folder.path + "/other/checkpoint.h5", toPath: $0 + "/checkpoint.h5")
    }
    #expect(foreign.contains("not of the run that run.json describes"), "\(foreign)")
    let short = try resume("short") {
      let history = try String(contentsOfFile: $0 + "/history.csv", encoding: .utf8)
      try Data(history.split(separator: "\n").prefix(2).joined(separator: "\n").utf8)
        .write(to: URL(fileURLWithPath: $0 + "/history.csv"))
    }
    #expect(short.contains("does not have the epochs 1 to 2"), "\(short)")
    let broken = try resume("broken") {
      let json = try String(contentsOfFile: $0 + "/run.json", encoding: .utf8)
      try Data(json.replacingOccurrences(of: "\"epochs\" : 2", with: "\"epochs\" : 0").utf8)
        .write(to: URL(fileURLWithPath: $0 + "/run.json"))
    }
    #expect(broken.contains("broken/run.json: not a valid run"), "\(broken)")
    // Nothing is left to do: no worker is waited for.
    let port = try #require((20000...32000).randomElement())
    let finished = try Command(
      "coordinator", "data", "--resume", "run", "--listen", "127.0.0.1:\(port)", in: folder)
    #expect(finished.status == 0, "\(finished.errors)")
  }

  /// Nobody is left, and another try would end the same way.
  @Test func aMachineThatMakesErrorsAloneIsNamed() throws {
    let run = try train(
      "wrong", ["--workers", "1", "--verify", "1"], environment: ["DOGSLED_TEST_DAMAGE": "2"])
    #expect(run.status == 1)
    #expect(run.errorLines.last?.contains("makes errors") == true, "\(run.errors)")
  }

  /// A diverging run says so, and blames no worker.
  @Test(arguments: ["1e8", "1e20", "3e38"], [[], ["--workers", "2"]])
  func aRateThatIsTooHighIsNamed(_ rate: String, _ workers: [String]) throws {
    let run = try train("wild", workers + ["--learning-rate", rate])
    #expect(run.status == 1, "\(run.errors)")
    #expect(run.errorLines.last?.contains("choose a smaller --learning-rate") == true)
    let events = try String(contentsOfFile: "\(folder.path)/wild/events.jsonl", encoding: .utf8)
    #expect(!events.contains(#""kind":"lost""#), "\(events)")
  }

  @Test func resultsThatCannotBePrintedAreAFailure() throws {
    #expect(try train("run", []).status == 0)
    let program = Bundle.main.bundleURL.appendingPathComponent("dogsled").path
    for arguments in [
      "digest run/model.h5", "summary", "--help", "evaluate run/model.h5 data/test",
      "predict run/model.h5 data/test/cats/*.jpg",
      "train data --run full \(Self.options.joined(separator: " "))",
    ] {
      let shell = Process()
      shell.executableURL = URL(fileURLWithPath: "/bin/sh")
      shell.arguments = ["-c", "'\(program)' \(arguments) > /dev/full"]
      shell.currentDirectoryURL = URL(fileURLWithPath: folder.path)
      (shell.standardOutput, shell.standardError) = (Pipe(), Pipe())
      try shell.run()
      let result = try Command(waitingFor: shell)
      #expect(result.status == 1, "\(arguments)")
      #expect(result.errorLines.last?.contains("standard output") == true, "\(result.errors)")
    }
    #expect(FileManager.default.fileExists(atPath: folder.path + "/full/model.h5"))
  }

  @Test(arguments: [
    (["train", "nowhere"], 1, "nowhere"),
    (["train", "data", "--epochs", "-5"], 2, "-5"),
    (["train", "data", "--run", "model.json/run"], 1, "model.json is a file"),
    (["train", "data", "--resume", "data"], 1, "holds no run"),
    (["train", "data", "--checkpoint-every", "0"], 2, "--checkpoint-every"),
    (["train", "data", "--heartbeat", "0.1"], 2, "--heartbeat"),
    (["train", "data", "--checkpoint-every", "1e30s"], 2, "--checkpoint-every"),
    (["train", "data", "--model", "/dev/null"], 1, "not a file"),
    (
      ["worker", "127.0.0.1:7777", "--insecure", "--data", "nowhere"], 1, "nowhere: no such folder"
    ),
    (["worker", "127.0.0.1:7777", "--data", "data"], 2, "its token is missing"),
    (["worker", "--data", "data"], 2, "which coordinator?"),
    (["worker", "dogsled1_AAAA", "--data", "data"], 2, "not copied whole"),
    (["worker", "--token-file", "model.json", "--data", "data"], 2, "model.json: no token"),
    (["coordinator", "data", "--key", "model.json"], 1, "model.json: no private key"),
    (["coordinator", "data", "--key", "k", "--insecure"], 2, "--key cannot be given"),
    (["key", "model.json"], 1, "model.json: is there already"),
    (["plot", "data", "--output", "curves.gif"], 2, "curves.gif"),
    (["train", "data/train"], 1, "data/train"),
    (["train", "data", "--bogus"], 2, "--bogus"),
    (["train", "data", "--batch-size", "41"], 2, "--batch-size"),
    (["train", "data", "--epochs", "none"], 2, "--epochs"),
    (["train", "data", "--model", "data/train/cats/cat.0.jpg"], 1, "cat.0.jpg"),
    (["coordinator", "data", "--listen", "127.0.0.1"], 2, "--listen"),
    (["worker", "127.0.0.1:99999", "--data", "data"], 2, "99999"),
    (["frobnicate"], 2, "frobnicate"),
  ])
  func wrongUseIsOneClearLine(_ arguments: [String], _ status: Int32, _ word: String) throws {
    let result = try Command(arguments, in: folder)
    #expect(result.status == status, "\(result.errors)")
    #expect(result.errorLines.last?.contains(word) == true, "\(result.errors)")
    #expect(result.output.isEmpty)
  }

  @Test func aDamagedDataSetIsRefusedWithAListOfItsFiles() throws {
    try folder.write(Data("no picture".utf8), to: "data/train/cats/zz.jpg")
    try folder.write(Data(), to: "data/validation/dogs/zz.jpg")
    let result = try train("bad", [])
    #expect(result.status == 1)
    for file in ["data/train/cats/zz.jpg", "data/validation/dogs/zz.jpg"] {
      #expect(result.errorLines.count { $0.contains(file) } == 1, "\(result.errors)")
    }
    #expect(try train("without", ["--skip-unreadable"]).status == 0)
    try FileManager.default.removeItem(atPath: folder.path + "/data/train/dogs")
    let oneClass = try train("one class", [])
    #expect(oneClass.status == 1)
    #expect(oneClass.errorLines.last?.contains("data/train") == true, "\(oneClass.errors)")
  }

  /// Somebody may have prepared the folder: a worker's log goes through no link.
  @Test func noLogIsWrittenThroughALink() throws {
    try folder.write(Data("precious".utf8), to: "victim")
    try FileManager.default.createDirectory(
      atPath: folder.path + "/run", withIntermediateDirectories: false)
    #expect(symlink("../victim", folder.path + "/run/worker-1.log") == 0)
    let result = try train("run", ["--workers", "1"])
    #expect(result.status == 1)
    #expect(result.errorLines.last?.contains("run/worker-1.log: a symbolic link") == true)
    let victim = URL(fileURLWithPath: folder.path + "/victim")
    #expect(try Data(contentsOf: victim) == Data("precious".utf8))
  }

  @Test func aRunFolderIsNeverOverwritten() throws {
    #expect(try train("run", []).status == 0)
    let before = try Data(contentsOf: URL(fileURLWithPath: folder.path + "/run/model.h5"))
    let again = try train("run", [])
    #expect(again.status == 1)
    #expect(
      again.errorLines == [
        "dogsled: run: holds a run already (run.json): name another "
          + "folder, or remove this one"
      ])
    #expect(try Data(contentsOf: URL(fileURLWithPath: folder.path + "/run/model.h5")) == before)
  }
}
