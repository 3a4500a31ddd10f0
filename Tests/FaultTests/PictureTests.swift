import Foundation
import Testing

extension FaultTests {
  /// Workers that have no data, and get the pictures from their coordinator.
  @Suite struct Pictures {
    @Test func aWorkerWithNothingButTheTokenTrains() throws {
      let run = try FaultRun(isLong: true)
      let coordinator = try run.coordinator(workers: 1)
      let first = try run.worker(data: nil, ["--cache", "cache"])
      try run.waitForAnEpoch()
      run.disturb { first.signal(SIGKILL) }
      _ = try first.status()
      // It has them all, and so have others of its machine.
      let others = try (0..<2).map { _ in try run.worker(data: nil, ["--cache", "cache"]) }
      try run.expectUndisturbed(coordinator, "workers without data")
      for worker in others { #expect(try worker.status() == 0, "\(worker.output)") }
      #expect(first.output.contains("fetching 54 pictures into "), "\(first.output)")
      #expect(others.allSatisfy { !$0.output.contains("fetching") })
      let kept = try FileManager.default.contentsOfDirectory(atPath: run.folder + "/cache")
      #expect(kept.count == 54 && kept.allSatisfy { $0.count == 32 }, "\(kept)")
    }

    /// The link is lost in the middle: what has come is not sent again.
    @Test func whatHasComeStays() throws {
      let run = try FaultRun(isLocked: false)
      let coordinator = try run.coordinator(workers: 1)
      // Some pieces of pictures pass.
      let relay = try Relay(to: run.port, .cutShort, kind: 9, after: 20)
      defer { relay.stop() }
      let worker = try run.worker(at: relay.port, data: nil, ["--cache", "cache"])
      try run.wait(for: "joined")
      run.disturb()
      try run.expectUndisturbed(coordinator, "a worker whose pictures come in two parts")
      #expect(try worker.status() == 0, "\(worker.output)")
      #expect(relay.isDone)
      #expect(worker.output.contains("fetching 54 pictures"), "\(worker.output)")
      #expect(worker.output.contains(#/fetching (3[0-9]) pictures/#), "\(worker.output)")
    }
  }
}
