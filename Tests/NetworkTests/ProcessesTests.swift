import Foundation
import Network
import Primitives
import Testing
import Training

extension NetworkTests {
  @Suite("Processes and signals")
  struct Processes {
    let folder = FileManager.default.temporaryDirectory.path + "/dogsled-\(UUID().uuidString)"

    init() throws {
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    }

    func launch(
      _ count: Int, _ script: String, executable: String = "/bin/sh", grace: Duration = .seconds(5)
    ) throws -> (LocalWorkers, Mailbox<CoordinatorInput>) {
      let mailbox = Mailbox<CoordinatorInput>()
      let workers = try LocalWorkers(
        numbers: (0..<count).map(UInt64.init), executable: executable,
        arguments: { ["-c", script, "sh", "\($0)"] },
        folder: folder, grace: grace, mailbox: mailbox)
      return (workers, mailbox)
    }

    func exits(_ count: Int, _ mailbox: Mailbox<CoordinatorInput>) -> [Int: String] {
      var reasons: [Int: String] = [:]
      for _ in 0..<count {
        if case .localWorkerExited(let index, let reason)? = mailbox.soon() {
          reasons[index] = reason
        }
      }
      return reasons
    }

    @Test func endsAndLogs() async throws {
      try await onThread {
        let (workers, mailbox) = try launch(
          3, "echo out $1; echo err $1 >&2; if [ $1 = 2 ]; then kill -9 $$; fi; exit $1")
        #expect(
          exits(3, mailbox) == [
            0: "it exited with status 0; its log is \(folder)/worker-1.log",
            1: "it exited with status 1; its log is \(folder)/worker-2.log",
            2: "it was killed by signal 9; its log is \(folder)/worker-3.log",
          ])
        for index in 0..<3 {
          let log = try String(contentsOfFile: "\(folder)/worker-\(index + 1).log", encoding: .utf8)
          #expect(log == "out \(index)\nerr \(index)\n")
        }
        workers.stop()
      }
    }

    @Test func cannotBeLaunched() async throws {
      try await onThread {
        let (workers, mailbox) = try launch(1, "", executable: "/no/such/file")
        #expect(exits(1, mailbox)[0]?.hasPrefix("it cannot be launched") == true)
        workers.stop()
        #expect(throws: NetworkError.self) {
          try LocalWorkers(
            numbers: [1], executable: "/bin/true", arguments: { _ in [] }, folder: "/no/such",
            mailbox: Mailbox())
        }
      }
    }

    @Test func stopIsGentleAndThenFirm() async throws {
      try await onThread {
        let (gentle, ends) = try launch(
          2, "trap 'exit 7' TERM; echo up; while :; do sleep 0.05; done")
        try waitForLogs(2)
        gentle.stop()
        #expect(exits(2, ends).values.allSatisfy { $0.hasPrefix("it exited with status 7") })

        let (stubborn, kills) = try launch(
          2, "trap '' TERM; echo up; while :; do sleep 0.05; done", grace: .milliseconds(300))
        try waitForLogs(2)
        let start = Date()
        stubborn.stop()
        #expect((0.2..<5).contains(Date().timeIntervalSince(start)))
        #expect(exits(2, kills).values.allSatisfy { $0.hasPrefix("it was killed by signal 9") })
      }
    }

    private func waitForLogs(_ count: Int) throws {
      for index in 1...count {
        for _ in 0..<500 {
          let log = try? String(contentsOfFile: "\(folder)/worker-\(index).log", encoding: .utf8)
          if log == "up\n" { break }
          Thread.sleep(forTimeInterval: 0.01)
        }
      }
    }

    /// A launcher that is killed leaves no worker behind: the pipe on its standard input ends.
    @Test func killedLauncherLeavesNobody() async throws {
      await #expect(processExitsWith: .signal(SIGKILL)) { [folder = folder as String] in
        let workers = try LocalWorkers(
          numbers: [1, 2], executable: "/bin/sh",
          arguments: { ["-c", "echo $$ > '\(folder)/pid-\($0)'; exec cat"] }, folder: folder,
          mailbox: Mailbox())
        for index in 0..<2 {
          while (try? String(contentsOfFile: "\(folder)/pid-\(index)", encoding: .utf8))?
            .hasSuffix("\n") != true
          { try await Task.sleep(for: .milliseconds(10)) }
        }
        kill(getpid(), SIGKILL)
        withExtendedLifetime(workers) {}
      }
      for index in 0..<2 {
        let text = try String(contentsOfFile: "\(folder)/pid-\(index)", encoding: .utf8)
        let process = try #require(Int32(text.dropLast()))
        for _ in 0..<500 where kill(process, 0) == 0 { usleep(10_000) }
        #expect(kill(process, 0) != 0, "worker \(index) is still there")
      }
    }

    @Test func workerEndsWithItsParentsPipe() async {
      await #expect(processExitsWith: .exitCode(1)) {
        var ends: [Int32] = [-1, -1]
        pipe(&ends)
        dup2(ends[0], STDIN_FILENO)
        setenv(ParentWatch.variable, "1", 1)
        try ParentWatch.start()
        close(ends[1])
        try await Task.sleep(for: .seconds(10))
        exit(3)
      }
    }

    @Test(arguments: [SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2])
    func firstSignalIsACall(number: Int32) async {
      await #expect(processExitsWith: .exitCode(42)) { [number] in
        try Signals.onInterrupt { exit(42) }
        kill(getpid(), number)
        try await Task.sleep(for: .seconds(10))
        exit(3)
      }
    }

    @Test func theSecondSignalIsACallTooAndTheThirdEndsAtOnce() async {
      await #expect(processExitsWith: .exitCode(1)) {
        let calls = Mailbox<Int>()
        try Signals.onInterrupt { calls.put(1) }
        for _ in 0..<2 {
          kill(getpid(), SIGTERM)
          guard calls.soon() != nil else { exit(4) }
        }
        kill(getpid(), SIGINT)
        try await Task.sleep(for: .seconds(10))
        exit(3)
      }
    }

    /// One closed terminal may send SIGHUP many times, and a batch system SIGTERM after it.
    @Test func signalsThatNobodyTypedAreNoImpatience() async {
      await #expect(processExitsWith: .exitCode(42)) {
        let calls = Mailbox<Int>()
        try Signals.onInterrupt { calls.put(1) }
        kill(getpid(), SIGHUP)
        guard calls.soon() != nil else { exit(4) }
        for number in [SIGHUP, SIGUSR1, SIGUSR2, SIGHUP, SIGTERM] { kill(getpid(), number) }
        guard calls.soon() != nil else { exit(5) }
        exit(calls.next(timeout: .milliseconds(100)) == nil ? 42 : 6)
      }
    }

    @Test func whatIsIgnoredUnderNohupStaysIgnored() async {
      await #expect(processExitsWith: .exitCode(42)) {
        signal(SIGHUP, SIG_IGN)
        let calls = Mailbox<Int>()
        try Signals.onInterrupt { calls.put(1) }
        kill(getpid(), SIGHUP)
        guard calls.next(timeout: .milliseconds(100)) == nil else { exit(4) }
        kill(getpid(), SIGUSR1)
        exit(calls.soon() == nil ? 5 : 42)
      }
    }

    @Test func aLaunchedWorkerHeedsItsCoordinatorAlone() async {
      await #expect(processExitsWith: .exitCode(42)) {
        let calls = Mailbox<Int>()
        try Signals.onInterrupt(ignoringAllButSIGTERM: true) { calls.put(1) }
        for number in [SIGINT, SIGHUP, SIGUSR1, SIGUSR2] { kill(getpid(), number) }
        guard calls.next(timeout: .milliseconds(100)) == nil else { exit(4) }
        kill(getpid(), SIGTERM)
        exit(calls.soon() == nil ? 5 : 42)
      }
    }

    /// Sockets and files of the coordinator end with it, not with its workers.
    @Test func aChildInheritsNothing() async throws {
      try await onThread {
        var ends: [Int32] = [-1, -1]
        try #require(pipe(&ends) == 0)
        defer { for end in ends { close(end) } }
        let (workers, mailbox) = try launch(
          1, "for end in \(ends[0]) \(ends[1]); do [ ! -e /proc/$$/fd/$end ] || echo $end; done")
        #expect(exits(1, mailbox)[0]?.hasPrefix("it exited with status 0") == true)
        let log = try String(contentsOfFile: "\(folder)/worker-1.log", encoding: .utf8)
        #expect(log.isEmpty, "\(log)")
        workers.stop()
      }
    }
  }
}

/// Runs what blocks on a thread of its own: the pool's threads launch processes.
private func onThread(_ body: @escaping @Sendable () throws -> Void) async throws {
  try await withCheckedThrowingContinuation { continuation in
    Thread.detachNewThread { continuation.resume(with: Result { try body() }) }
  }
}
