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
  private let tasks: [Task<Void, Never>]
  private let running: DispatchGroup

  /// Launches `count` workers at once; their ends come to `mailbox` as `localWorkerExited`, also
  /// that of one that cannot be started.
  ///
  /// - Parameters:
  ///   - arguments: for the worker with this number, counted from 0.
  ///   - folder: gets each one's standard output and error as `worker-1.log` and so on.
  ///   - grace: from SIGTERM to SIGKILL.
  /// - Throws: `NetworkError` where a log cannot be written.
  public init(
    count: Int, executable: String, arguments: (Int) -> [String], folder: String,
    grace: Duration = .seconds(5), mailbox: Mailbox<CoordinatorInput>
  ) throws {
    let logs = try (0..<count).map { try Self.openLog("\(folder)/worker-\($0 + 1).log") }
    var ends: [Int32] = [-1, -1]
    guard pipe(&ends) == 0, ends.allSatisfy({ fcntl($0, F_SETFD, FD_CLOEXEC) == 0 }) else {
      throw NetworkError("cannot launch workers: \(String(cString: strerror(errno)))")
    }
    let running = DispatchGroup()
    self.running = running
    tasks = (0..<count).map { index in
      let configuration = Self.configuration(executable, arguments(index), grace: grace)
      let (input, log) = (ends[0], logs[index])
      running.enter()
      return Task.detached {
        let (processID, reason) = await Self.run(configuration, input: input, log: log)
        mailbox.put(
          .localWorkerExited(
            index, processID: processID,
            reason: "\(reason); its log is \(folder)/worker-\(index + 1).log"))
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
    do {
      return try RunFolderFiles.create(path)
    } catch {
      throw NetworkError(error.description, mayPass: error.mayPass)
    }
  }

  private static func configuration(
    _ executable: String, _ arguments: [String], grace: Duration
  ) -> Configuration {
    var options = PlatformOptions()
    options.processGroupID = 0
    options.teardownSequence = [.gracefulShutDown(allowedDurationToNextStep: grace)]
    return Configuration(
      executable: .path(.init(executable)), arguments: .init(arguments),
      environment: .inherit.updating([.init(stringLiteral: ParentWatch.variable): "1"]),
      platformOptions: options)
  }

  /// - Returns: which process it was, and how it ended.
  private static func run(
    _ configuration: Configuration, input: Int32, log: Int32
  ) async -> (processID: Int32?, reason: String) {
    defer { close(log) }
    do {
      let result = try await Subprocess.run(
        configuration,
        input: .fileDescriptor(.init(rawValue: input), closeAfterSpawningProcess: false),
        output: .fileDescriptor(.init(rawValue: log), closeAfterSpawningProcess: false),
        error: .fileDescriptor(.init(rawValue: log), closeAfterSpawningProcess: false))
      let reason =
        switch result.terminationStatus {
        case .exited(let status): "it exited with status \(status)"
        case .signaled(let signal): "it was killed by signal \(signal)"
        }
      return (result.processIdentifier.value, reason)
    } catch {
      return (nil, "it cannot be launched: \(NetworkError.summary(of: error))")
    }
  }
}
