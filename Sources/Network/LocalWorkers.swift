import Dispatch
import Foundation
import Primitives
import Training

/// Worker processes on this machine, launched by a coordinator and taken down with it.
///
/// Each is in a process group of its own, so that Control-C reaches the coordinator alone, and has
/// the read end of a pipe as standard input, with `ParentWatch.variable` in its environment: the
/// pipe closes when this process ends, however it ends, and `ParentWatch` ends the worker then.
public final class LocalWorkers: Sendable {
  /// Set in the environment of such a worker to the number of its process.
  ///
  /// It says hello with that number, by which the coordinator knows which of them it is. Other
  /// users cannot read it.
  public static let processVariable = "DOGSLED_WORKER_PROCESS"

  /// Set in the environment of such a worker to how many were launched with it.
  private static let countVariable = "DOGSLED_LOCAL_WORKERS"

  /// How many workers were launched together with this process, itself included.
  public static var count: Int {
    let text = ProcessInfo.processInfo.environment[countVariable]
    return text.flatMap { Int($0) }.map { min(max($0, 1), 256) } ?? 1
  }

  /// The number that this process was launched with; nil where it was launched otherwise.
  public static var process: UInt64? {
    ProcessInfo.processInfo.environment[processVariable].flatMap { UInt64($0) }
  }

  private let processes: [LocalProcess]
  private let running = DispatchGroup()
  private let grace: Duration

  /// Launches workers at once; their ends come to `mailbox` as `localWorkerExited`, also that of
  /// one that cannot be started.
  ///
  /// - Parameters:
  ///   - numbers: one for each process.
  ///   - environment: added to that of each, which other users cannot read.
  ///   - arguments: for the worker with this number, counted from 0.
  ///   - folder: gets each one's standard output and error as `worker-1.log` and so on.
  ///   - grace: from SIGTERM to SIGKILL.
  /// - Throws: `NetworkError` where a log cannot be written.
  public init(
    numbers: [UInt64], executable: String, arguments: (Int) -> [String],
    environment: [String: String] = [:], folder: String,
    grace: Duration = .seconds(5), mailbox: Mailbox<CoordinatorInput>
  ) throws {
    let logs = try numbers.indices.map { try OpenFile(log: "\(folder)/worker-\($0 + 1).log") }
    let input = try OpenFile.pipeEnds(failure: "cannot launch workers")
    OpenFile.keepAllFromChildren()
    self.grace = grace
    processes = zip(numbers, logs).enumerated().map { index, worker in
      LocalProcess(
        executable, arguments(index),
        environment: [
          ParentWatch.variable: "1", Self.processVariable: "\(worker.0)",
          Self.countVariable: "\(numbers.count)",
        ].merging(environment) { $1 },
        input: input.read, output: worker.1)
    }
    for (index, process) in processes.enumerated() {
      let report = { @Sendable (reason: String) in
        let log = "\(folder)/worker-\(index + 1).log"
        mailbox.put(
          .localWorkerExited(index, reason: "\(reason)\(Self.failure(log)); its log is \(log)"))
      }
      running.enter()
      do throws(ThreadError) {
        try OwnThread.start("worker \(index + 1)", of: numbers.count) { [running] in
          report(process.run())
          running.leave()
          // The pipe's other end is held until the last worker has ended.
          withExtendedLifetime(input.write) {}
        }
      } catch {
        report("it cannot be launched: \(error)")
        running.leave()
      }
    }
  }

  /// Ends those that still run, with SIGTERM and then SIGKILL; returns when all are gone.
  public func stop() {
    for process in processes { process.send(SIGTERM) }
    guard running.wait(timeout: .now() + grace / .seconds(1)) == .timedOut else { return }
    for process in processes { process.send(SIGKILL) }
    running.wait()
  }

  deinit { for process in processes { process.send(SIGTERM) } }

  /// What the last line of a log says that this program failed of.
  private static func failure(_ log: String) -> String {
    let text = (try? String(contentsOfFile: log, encoding: .utf8)) ?? ""
    let mark = "dogsled: "
    guard let last = text.split(separator: "\n").last, last.hasPrefix(mark) else { return "" }
    return " (\(last.dropFirst(mark.count).prefix(400)))"
  }
}
