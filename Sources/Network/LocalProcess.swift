import Foundation
import Primitives
import Synchronization

/// A child process in a process group of its own.
///
/// Foundation's and other packages' processes need threads of Dispatch, which may not be had.
final class LocalProcess: Sendable {
  private enum State {
    case new
    case running(pid_t)
    case ended
    /// Signalled before it was there.
    case unwanted
  }

  private let executable: String
  private let arguments: [String]
  private let environment: [String: String]
  private let input: OpenFile
  private let output: OpenFile
  private let errors: OpenFile
  private let state = Mutex(State.new)

  /// - Parameters:
  ///   - environment: added to this process's.
  ///   - output: takes standard output.
  ///   - errors: takes standard error; nil for where the output goes.
  init(
    _ executable: String, _ arguments: [String], environment: [String: String], input: OpenFile,
    output: OpenFile, errors: OpenFile? = nil
  ) {
    self.executable = executable
    self.arguments = arguments
    self.environment = environment
    self.input = input
    self.output = output
    self.errors = errors ?? output
  }

  /// Starts it and waits for its end; to be called once.
  /// - Returns: how it ended, in one line.
  func run() -> String {
    let started = state.withLock { state -> Result<pid_t, NetworkError> in
      guard case .new = state else { return .failure(NetworkError("it was stopped")) }
      let result = Result { () throws(NetworkError) in try spawn() }
      state = (try? result.get()).map(State.running) ?? .ended
      return result
    }
    switch started {
    case .failure(let error): return "it cannot be launched: \(error)"
    case .success(let processID):
      var information = siginfo_t()
      // It stays a zombie until nobody can signal its number any more.
      while waitid(P_PID, id_t(processID), &information, WEXITED | WNOWAIT) != 0, errno == EINTR {}
      return state.withLock { state in
        state = .ended
        var status: Int32 = 0
        while waitpid(processID, &status, 0) < 0, errno == EINTR {}
        let signal = status & 0x7f
        return signal == 0
          ? "it exited with status \(status >> 8 & 0xff)" : "it was killed by signal \(signal)"
      }
    }
  }

  /// Sends it a signal, where it runs; it never begins where it has not yet.
  func send(_ signal: Int32) {
    state.withLock { state in
      switch state {
      case .new: state = .unwanted
      case .running(let processID): kill(processID, signal)
      case .ended, .unwanted: break
      }
    }
  }

  private func spawn() throws(NetworkError) -> pid_t {
    var actions = posix_spawn_file_actions_t()
    var attributes = posix_spawnattr_t()
    posix_spawn_file_actions_init(&actions)
    posix_spawnattr_init(&attributes)
    defer {
      posix_spawn_file_actions_destroy(&actions)
      posix_spawnattr_destroy(&attributes)
    }
    posix_spawn_file_actions_adddup2(&actions, input.descriptor, STDIN_FILENO)
    posix_spawn_file_actions_adddup2(&actions, output.descriptor, STDOUT_FILENO)
    posix_spawn_file_actions_adddup2(&actions, errors.descriptor, STDERR_FILENO)
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK))
    posix_spawnattr_setpgroup(&attributes, 0)
    var noSignals = sigset_t()
    sigemptyset(&noSignals)
    posix_spawnattr_setsigmask(&attributes, &noSignals)
    let variables = ProcessInfo.processInfo.environment.merging(environment) { $1 }
    let words = [executable] + arguments
    let code: Int32
    var processID: pid_t = 0
    (code, processID) = Self.withCStrings(words) { words in
      Self.withCStrings(variables.map { "\($0)=\($1)" }) { variables in
        var processID: pid_t = 0
        let code = posix_spawn(&processID, executable, &actions, &attributes, words, variables)
        return (code, processID)
      }
    }
    guard code == 0 else {
      let reason = String(cString: strerror(code))
      let advice =
        [EAGAIN, ENOMEM].contains(code)
        ? ": start fewer workers, or raise the limit of processes (ulimit -u, a container's pids "
          + "limit) or memory" : ""
      throw NetworkError("\(executable): \(reason)\(advice)", mayPass: true)
    }
    return processID
  }

  /// The strings as C wants a program's arguments: with a null pointer at the end.
  private static func withCStrings<Result>(
    _ strings: [String], _ body: ([UnsafeMutablePointer<CChar>?]) -> Result
  ) -> Result {
    let copies = strings.map { strdup($0) }
    defer { for copy in copies { free(copy) } }
    return body(copies + [nil])
  }
}

/// A file descriptor that is closed when this object is gone.
final class OpenFile: Sendable {
  let descriptor: Int32

  private init(_ descriptor: Int32) { self.descriptor = descriptor }

  deinit { close(descriptor) }

  /// A new log at `path`.
  convenience init(log path: String) throws(NetworkError) {
    do {
      self.init(try PlainFiles.create(path))
    } catch {
      throw NetworkError(error.description, mayPass: error.mayPass)
    }
  }

  /// The file at `path`, for reading.
  convenience init(reading path: String) throws(NetworkError) {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else {
      throw NetworkError("\(path): \(String(cString: strerror(errno)))")
    }
    self.init(descriptor)
  }

  /// The ends of a pipe that no child inherits: who reads sees its end when this process has ended.
  /// - Parameter failure: what cannot be done without one.
  static func pipeEnds(
    failure: String
  ) throws(NetworkError) -> (read: OpenFile, write: OpenFile) {
    var ends: [Int32] = [-1, -1]
    guard pipe(&ends) == 0, ends.allSatisfy({ fcntl($0, F_SETFD, FD_CLOEXEC) == 0 }) else {
      throw NetworkError("\(failure): \(String(cString: strerror(errno)))", mayPass: true)
    }
    return (OpenFile(ends[0]), OpenFile(ends[1]))
  }

  /// Has no child inherit what this process has open: SwiftNIO's sockets are not marked so.
  static func keepAllFromChildren() {
    let open = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")) ?? []
    for descriptor in open.compactMap({ Int32($0) }) where descriptor > STDERR_FILENO {
      _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
    }
  }
}
