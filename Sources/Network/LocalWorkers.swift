import Dispatch
import Foundation
import Subprocess
import Synchronization
import Training

/// Worker processes on this machine, launched by a coordinator and taken down with it.
///
/// Each is in a process group of its own, so that Control-C reaches the coordinator alone, and has
/// the read end of a pipe as standard input, with `ParentWatch.variable` in its environment: the
/// pipe closes when this process ends, however it ends, and `ParentWatch` ends the worker then.
public final class LocalWorkers: Sendable {
  /// Set in the environment of such a worker to the token that it says hello with, by which the
  /// coordinator knows its number; other users cannot read it.
  public static let tokenVariable = "DOGSLED_WORKER_TOKEN"

  /// The token that this process was launched with; nil where it was launched otherwise.
  public static var token: UInt64? {
    ProcessInfo.processInfo.environment[tokenVariable].flatMap { UInt64($0) }
  }

  private let tasks: [Task<Void, Never>]
  private let running: DispatchGroup

  /// Launches workers at once; their ends come to `mailbox` as `localWorkerExited`, also that of
  /// one that cannot be started.
  ///
  /// - Parameters:
  ///   - tokens: one for each.
  ///   - arguments: for the worker with this number, counted from 0.
  ///   - folder: gets each one's standard output and error as `worker-1.log` and so on.
  ///   - grace: from SIGTERM to SIGKILL.
  /// - Throws: `NetworkError` where a log cannot be written.
  public init(
    tokens: [UInt64], executable: String, arguments: (Int) -> [String], folder: String,
    grace: Duration = .seconds(5), mailbox: Mailbox<CoordinatorInput>
  ) throws {
    let logs = try tokens.indices.map { try Self.openLog("\(folder)/worker-\($0 + 1).log") }
    var ends: [Int32] = [-1, -1]
    guard pipe(&ends) == 0, ends.allSatisfy({ fcntl($0, F_SETFD, FD_CLOEXEC) == 0 }) else {
      throw NetworkError("cannot launch workers: \(String(cString: strerror(errno)))")
    }
    let running = DispatchGroup()
    self.running = running
    tasks = tokens.enumerated().map { index, token in
      let configuration = Self.configuration(executable, arguments(index), token, grace: grace)
      let (input, log) = (ends[0], logs[index])
      running.enter()
      return Task.detached {
        let reason = await Self.run(configuration, input: input, log: log)
        mailbox.put(
          .localWorkerExited(
            index, reason: "\(reason); its log is \(folder)/worker-\(index + 1).log"))
        running.leave()
      }
    }
    running.notify(queue: .global()) { [ends] in
      for end in ends { close(end) }
    }
  }

  /// Ends those that still run, with SIGTERM and then SIGKILL; returns when all are gone.
  public func stop() {
    for task in tasks { task.cancel() }
    running.wait()
  }

  deinit { for task in tasks { task.cancel() } }

  private static func openLog(_ path: String) throws -> Int32 {
    let log = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    guard log >= 0 else {
      throw NetworkError("cannot write \(path): \(String(cString: strerror(errno)))")
    }
    return log
  }

  private static func configuration(
    _ executable: String, _ arguments: [String], _ token: UInt64, grace: Duration
  ) -> Configuration {
    var options = PlatformOptions()
    options.processGroupID = 0
    options.teardownSequence = [.gracefulShutDown(allowedDurationToNextStep: grace)]
    return Configuration(
      executable: .path(.init(executable)), arguments: .init(arguments),
      environment: .inherit.updating([
        .init(stringLiteral: ParentWatch.variable): "1",
        .init(stringLiteral: tokenVariable): "\(token)",
      ]),
      platformOptions: options)
  }

  /// - Returns: how the process ended.
  private static func run(
    _ configuration: Configuration, input: Int32, log: Int32
  ) async -> String {
    defer { close(log) }
    do {
      let result = try await Subprocess.run(
        configuration,
        input: .fileDescriptor(.init(rawValue: input), closeAfterSpawningProcess: false),
        output: .fileDescriptor(.init(rawValue: log), closeAfterSpawningProcess: false),
        error: .fileDescriptor(.init(rawValue: log), closeAfterSpawningProcess: false))
      return switch result.terminationStatus {
      case .exited(let status): "it exited with status \(status)"
      case .signaled(let signal): "it was killed by signal \(signal)"
      }
    } catch {
      return "it cannot be launched: \(NetworkError.summary(of: error))"
    }
  }
}
