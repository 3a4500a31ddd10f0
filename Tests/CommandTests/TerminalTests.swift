import Foundation
import TestSupport
import Testing

/// What a run shows on a terminal, and what becomes of it when the terminal or a reader is gone.
@Suite(.serialized) struct TerminalTests {
  let folder: TemporaryFolder
  private static let program = Bundle.main.bundleURL.appendingPathComponent("dogsled").path
  private static let options = [
    "--steps-per-epoch", "4", "--validation-steps", "2", "--batch-size", "4", "--threads", "1",
    "--model", "model.json",
  ]

  init() throws {
    folder = try TemporaryFolder()
    try DrawnPictures.write(to: folder.path + "/data", train: 8, validation: 4, test: 1)
    try folder.write(
      Data(
        """
        {"class_name": "Sequential", "config": {"name": "small", "layers": [
        {"class_name": "InputLayer", "config": {"batch_shape": [null, 20, 20, 3], "name": "i"}},
        {"class_name": "Flatten", "config": {"name": "f"}},
        {"class_name": "Dense", "config": {"name": "d", "units": 1, "activation": "sigmoid",
         "use_bias": true}}]}}
        """.utf8), to: "model.json")
  }

  /// A pseudo-terminal, read on a thread of its own.
  private final class Terminal: @unchecked Sendable {
    private let master: Int32
    let slave: FileHandle
    private let lock = NSLock()
    private var bytes = Data()
    private let ended = DispatchSemaphore(value: 0)

    init(columns: UInt16) throws {
      var (master, slave): (Int32, Int32) = (-1, -1)
      try #require(openpty(&master, &slave, nil, nil, nil) == 0)
      // A test's other children must not keep it open.
      for end in [master, slave] { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
      self.master = master
      self.slave = FileHandle(fileDescriptor: slave, closeOnDealloc: true)
      resize(columns: columns)
      Thread.detachNewThread { [self, master] in
        var buffer = [UInt8](repeating: 0, count: 4096)
        while true {
          let count = read(master, &buffer, buffer.count)
          if count <= 0 { break }
          lock.withLock { bytes.append(contentsOf: buffer[..<count]) }
        }
        ended.signal()
      }
    }

    func resize(columns: UInt16) {
      var size = winsize(ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0)
      _ = ioctl(master, UInt(TIOCSWINSZ), &size)
    }

    var text: String { lock.withLock { String(decoding: bytes, as: UTF8.self) } }

    /// The text once nobody writes to it any more.
    func wholeText() -> String {
      try? slave.close()
      ended.wait()
      return text
    }

    func hangUp() { close(master) }
  }

  private func start(
    _ terminal: Terminal, term: String?, _ arguments: [String], program: String = program,
    withErrors: Bool = false
  ) throws -> Process {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: program)
    process.arguments = arguments
    process.currentDirectoryURL = URL(fileURLWithPath: folder.path)
    process.environment = ProcessInfo.processInfo.environment
    process.environment?["TERM"] = term
    process.standardInput = terminal.slave
    process.standardOutput = terminal.slave
    process.standardError = withErrors ? terminal.slave : FileHandle.nullDevice
    try process.run()
    return process
  }

  /// Whoever sits at the terminal may see it; what is kept elsewhere has it not (`ListenTests`).
  @Test func aTokenIsPrintedOnATerminal() throws {
    let terminal = try Terminal(columns: 80)
    let process = try start(
      terminal, term: "xterm",
      ["coordinator", "data", "--listen", "127.0.0.1:0", "--run", "run"] + Self.options,
      withErrors: true)
    defer {
      kill(process.processIdentifier, SIGKILL)
      process.waitUntilExit()
    }
    let limit = Date().addingTimeInterval(60)
    while !terminal.text.contains("waiting for") {
      try #require(Date() < limit && process.isRunning, "\(terminal.text)")
      usleep(5000)
    }
    let token = String(decoding: try folder.contents("run/token"), as: UTF8.self).dropLast()
    #expect(token.hasPrefix("dogsled1_"))
    #expect(terminal.text.contains("on workers  dogsled worker \(token)\r\n"))
  }

  /// The live lines of `text`, as they were drawn.
  private func liveLines(_ text: String) -> [Substring] {
    text.split(separator: "\r").filter { $0.contains("\u{1B}[K") }
      .map { $0.prefix { $0 != "\u{1B}" } }.filter { !$0.isEmpty }
  }

  @Test(arguments: [1, 2, 19, 20, 40, 80, 200] as [UInt16])
  func theLiveLineFitsTheTerminal(_ columns: UInt16) throws {
    let terminal = try Terminal(columns: columns)
    let process = try start(
      terminal, term: "xterm", ["train", "data", "--run", "run", "--epochs", "2"] + Self.options)
    process.waitUntilExit()
    let text = terminal.wholeText()
    #expect(process.terminationStatus == 0, "\(text)")
    let lines = liveLines(text)
    #expect(lines.allSatisfy { $0.count < columns }, "\(lines)")
    if columns > 2 { #expect(lines.contains { $0.hasPrefix("e") }, "\(text)") }
    if columns > 100 { #expect(lines.contains { $0.contains("[") }, "\(lines)") }
    #expect(text.contains("epoch 2/2"))
  }

  @Test func theLiveLineFollowsTheTerminalsWidth() throws {
    let terminal = try Terminal(columns: 80)
    let process = try start(
      terminal, term: "xterm",
      ["train", "data", "--run", "run", "--epochs", "100000"]
        + Self.options)
    defer { kill(process.processIdentifier, SIGKILL) }
    let limit = Date().addingTimeInterval(60)
    func wait(_ isThere: (Substring) -> Bool) throws {
      while !liveLines(terminal.text).contains(where: isThere) {
        try #require(Date() < limit && process.isRunning, "\(terminal.text.suffix(500))")
        usleep(5000)
      }
    }
    try wait { $0.count > 30 }
    terminal.resize(columns: 20)
    try wait { $0.count == 19 }
    kill(process.processIdentifier, SIGINT)
    process.waitUntilExit()
    #expect(process.terminationStatus == 130)
    let lines = liveLines(terminal.wholeText())
    let narrow = try #require(lines.firstIndex { $0.count == 19 })
    #expect(lines[narrow...].allSatisfy { $0.count < 20 })
  }

  @Test(arguments: ["dumb", "", nil])
  func aTerminalWithoutEscapesGetsPlainLines(_ term: String?) throws {
    let terminal = try Terminal(columns: 80)
    let process = try start(
      terminal, term: term, ["train", "data", "--run", "run", "--epochs", "3"] + Self.options)
    process.waitUntilExit()
    let text = terminal.wholeText()
    #expect(process.terminationStatus == 0)
    #expect(!text.contains("\u{1B}"), "\(text)")
    let epochs = text.split(whereSeparator: \.isNewline).filter { $0.hasPrefix("epoch ") }
    #expect(epochs.count == 3, "\(text)")
  }

  /// The kernel's SIGHUP, and nobody to write to any more: the checkpoint is written all the same.
  @Test func aClosedTerminalLosesNothing() throws {
    let terminal = try Terminal(columns: 80)
    // A session of its own, whose terminal this is.
    let process = try start(
      terminal, term: "xterm",
      ["--ctty", "--wait", Self.program, "train", "data", "--run", "run", "--epochs", "100000"]
        + Self.options, program: "/usr/bin/setsid")
    let limit = Date().addingTimeInterval(60)
    while !terminal.text.contains("epoch 2/") {
      try #require(Date() < limit && process.isRunning, "\(terminal.text)")
      usleep(5000)
    }
    terminal.hangUp()
    process.waitUntilExit()
    #expect(process.terminationStatus == 130)
    #expect(try Command("digest", "run/checkpoint.h5", in: folder).status == 0)
  }

  /// Who reads has what was wanted: that is no failure of the run.
  @Test(arguments: [
    "train data --run run --epochs 20", "summary", "--help", "predict run0/model.h5 data/*/*/*.jpg",
    "evaluate run0/model.h5 data/test", "bench decode data/test/cats/*.jpg",
  ])
  func aReaderThatGoesEndsNothing(_ line: String) throws {
    let options = Self.options.joined(separator: " ")
    let first = try Command(
      ["train", "data", "--run", "run0", "--epochs", "1"] + Self.options, in: folder)
    try #require(first.status == 0, "\(first.errors)")
    let words = line.hasPrefix("train") ? "\(line) \(options)" : line
    let shell = Process()
    shell.executableURL = URL(fileURLWithPath: "/bin/bash")
    // The reader has gone before anything is written.
    shell.arguments = [
      "-c", "exec 3> >(:); wait $!; '\(Self.program)' \(words) >&3; echo status $?",
    ]
    shell.currentDirectoryURL = URL(fileURLWithPath: folder.path)
    (shell.standardOutput, shell.standardError) = (Pipe(), Pipe())
    try shell.run()
    let result = try Command(waitingFor: shell)
    #expect(result.output == "status 0\n", "\(line): \(result.errors)")
    #expect(!result.errors.contains("standard output"), "\(result.errors)")
    if line.hasPrefix("train") {
      #expect(FileManager.default.fileExists(atPath: folder.path + "/run/model.h5"))
    }
  }
}
