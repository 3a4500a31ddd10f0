import Foundation
import Testing

/// Workers that hand parts of updates on to each other, of which one is lost or stands still.
///
/// They run beside the other faults: most of the time either waits.
@Suite(.serialized) struct ChainFaultTests {
  private static let options = ["--chain", "always", "--heartbeat", "0.6"]

  /// A run whose three workers stand in a row; `harm` comes after an epoch, to the one of that
  /// number.
  private func disturb(
    _ what: String, _ position: Int, isLong: Bool = false,
    harm: (FaultRun, Running) throws -> Void
  ) throws {
    let run = try FaultRun(isLong: isLong)
    let coordinator = try run.coordinator(workers: 3, Self.options)
    var row: [Running] = []
    for number in 1...3 {
      row.append(try run.worker())
      try run.wait(for: "joined", after: number - 1)
    }
    try run.wait(for: "linked", after: 1)
    try run.waitForAnEpoch()
    run.disturb()
    try harm(run, row[position])
    try run.expectUndisturbed(coordinator, what)
    for (index, worker) in row.enumerated() where index != position {
      #expect(try worker.status() == 0)
    }
  }

  @Test(arguments: 0...2) func aWorkerOfTheChainIsKilled(_ position: Int) throws {
    try disturb("worker \(position + 1) of a chain of three killed", position) { run, worker in
      worker.signal(SIGKILL)
      try run.wait(for: "lost")
      // The one behind it is served by the one before it, and a new one stands last.
      if position == 1 { try run.wait(for: "linked", after: 2) }
      _ = try run.worker()
    }
  }

  @Test(arguments: 0...2) func aWorkerOfTheChainStandsStillAndComesAgain(_ position: Int) throws {
    try disturb(
      "worker \(position + 1) of a chain of three stopped", position, isLong: true
    ) { run, worker in
      worker.signal(SIGSTOP)
      let before = run.count("epoch")
      try run.wait(for: "lost")
      try run.wait(for: "epoch", after: before)
      let joined = run.count("joined")
      worker.signal(SIGCONT)
      try run.wait(for: "joined", after: joined)
    }
  }

  @Test func workersOfTheChainAreKilledOverAndOver() throws {
    let run = try FaultRun(isLong: true)
    let coordinator = try run.coordinator(workers: 3, Self.options)
    var workers = try (0..<3).map { _ in try run.worker() }
    for _ in 0..<8 {
      try run.waitForAnEpoch()
      let index = Int.random(in: 0..<3)
      run.disturb { workers[index].signal(SIGKILL) }
      workers[index] = try run.worker()
    }
    try run.expectUndisturbed(coordinator, "eight workers of a chain killed")
    #expect(run.count("linked") > 2)
  }
}
