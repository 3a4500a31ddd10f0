import Foundation

/// A program that runs as a process group of its own, with its output in a file.
///
/// Foundation's `Process` takes a program that closes the descriptors it inherits, as ssh and sshd
/// do, for one that has ended.
final class Launch {
  let processID: Int32
  private let path: String

  /// Starts `command`, a path.
  init(
    _ command: String, _ arguments: [String], environment: [String: String] = [:], output: String
  ) throws {
    path = output
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_addopen(&actions, 1, output, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
    posix_spawn_file_actions_adddup2(&actions, 1, 2)
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    posix_spawnattr_setpgroup(&attributes, 0)
    // The threads of tests block signals, and whoever started them may ignore SIGINT.
    var signals = sigset_t()
    sigemptyset(&signals)
    posix_spawnattr_setsigmask(&attributes, &signals)
    sigaddset(&signals, SIGINT)
    posix_spawnattr_setsigdefault(&attributes, &signals)
    let flags = POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF
    posix_spawnattr_setflags(&attributes, Int16(flags))
    let variables = ProcessInfo.processInfo.environment.merging(environment) { $1 }
    let words = ([command] + arguments).map { strdup($0) } + [nil]
    let settings = variables.map { strdup("\($0.key)=\($0.value)") } + [nil]
    defer { for text in words + settings { free(text) } }
    var id: Int32 = 0
    let problem = posix_spawn(&id, command, &actions, &attributes, words, settings)
    guard problem == 0 else { throw POSIXError(POSIXErrorCode(rawValue: problem) ?? .EIO) }
    processID = id
  }

  /// What it wrote until now, to standard output and error.
  var output: String {
    String(decoding: FileManager.default.contents(atPath: path) ?? Data(), as: UTF8.self)
  }

  var lines: [Substring] { output.split(separator: "\n") }

  /// Waits for its end; to be called once.
  /// - Returns: the exit status, or the negative number of the signal that killed it.
  func status() async throws -> Int32 {
    var status: Int32 = 0
    while waitpid(processID, &status, WNOHANG) == 0 {
      try await Task.sleep(for: .milliseconds(20))
    }
    return status & 127 == 0 ? (status >> 8) & 255 : -(status & 127)
  }

  /// Ends it, and waits.
  func stop() {
    kill(processID, SIGTERM)
    waitpid(processID, nil, 0)
  }
}
