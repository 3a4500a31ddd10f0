import Foundation
import Testing

extension FaultTests {
  /// Processes that are killed, stopped, told to end, and started again.
  @Suite struct Kills {
    @Test func oneWorkerIsKilled() throws {
      let run = try FaultRun()
      let coordinator = try run.coordinator()
      let (first, second) = (try run.worker(), try run.worker())
      try run.waitForAnEpoch()
      let began = Date()
      run.disturb { first.signal(SIGKILL) }
      try run.wait(for: "lost")
      let seconds = Date().timeIntervalSince(began)
      try run.expectUndisturbed(
        coordinator, "a worker killed: lost after \(Int(seconds * 1000)) ms")
      #expect(try second.status() == 0)
    }

    @Test func twoOfFourWorkersAreKilledWhereMuchIsDrawn() throws {
      let run = try FaultRun(isRegularized: true)
      let coordinator = try run.coordinator(workers: 4)
      let workers = try (0..<4).map { _ in try run.worker() }
      try run.waitForAnEpoch()
      for worker in workers[..<2] {
        let before = run.count("lost")
        run.disturb { worker.signal(SIGKILL) }
        try run.wait(for: "lost", after: before)
        try run.waitForAnEpoch()
      }
      try run.expectUndisturbed(
        coordinator, "two of four workers killed, with augmentation, dropout, cosine and Adam")
      for worker in workers[2...] { #expect(try worker.status() == 0) }
    }

    /// Checkpoints are written in the middle of epochs, where pictures are seen again.
    @Test func theCoordinatorIsKilledInTheMiddleOfAnAugmentedEpoch() throws {
      let run = try FaultRun(isRegularized: true)
      let workers = [try run.worker(), try run.worker()]
      var coordinator = try run.coordinator(["--checkpoint-every", "3"])
      for number in 0..<3 {
        // Ten updates an epoch: every third is none at its end.
        let before = run.count("checkpoint")
        try run.wait(for: "checkpoint", after: before + number)
        run.disturb { coordinator.signal(SIGKILL) }
        _ = try coordinator.status()
        coordinator = try run.coordinator(resuming: true, ["--checkpoint-every", "3"])
      }
      try run.expectUndisturbed(
        coordinator, "the coordinator killed three times in augmented epochs and resumed")
      for worker in workers { #expect(try worker.status() == 0) }
    }

    @Test func allWorkersAreKilledAndOthersCome() throws {
      let run = try FaultRun()
      let coordinator = try run.coordinator()
      let workers = [try run.worker(), try run.worker()]
      try run.waitForAnEpoch()
      run.disturb { for worker in workers { worker.signal(SIGKILL) } }
      try run.wait(for: "waiting", after: run.count("waiting"))
      #expect(coordinator.output.contains("waiting for a worker: 0 ready"))
      let third = try run.worker()
      try run.expectUndisturbed(coordinator, "all workers killed, a new one came")
      #expect(try third.status() == 0)
    }

    @Test func theCoordinatorIsKilledFiveTimes() throws {
      let run = try FaultRun()
      let workers = [try run.worker(), try run.worker()]
      var coordinator = try run.coordinator(["--checkpoint-every", "3"])
      for _ in 0..<5 {
        let before = run.count("checkpoint")
        try run.wait(for: "checkpoint", after: before + Int.random(in: 0...2))
        run.disturb { coordinator.signal(SIGKILL) }
        _ = try coordinator.status()
        coordinator = try run.coordinator(resuming: true, ["--checkpoint-every", "3"])
      }
      try run.expectUndisturbed(coordinator, "the coordinator killed five times and resumed")
      for worker in workers { #expect(try worker.status() == 0) }
    }

    @Test func everythingIsKilled() throws {
      let run = try FaultRun()
      let first = [try run.coordinator(["--checkpoint-every", "2"]), try run.worker()]
      let other = try run.worker()
      try run.waitForAnEpoch()
      run.disturb { for process in first + [other] { process.signal(SIGKILL) } }
      _ = try first[0].status()
      let coordinator = try run.coordinator(workers: 1, resuming: true)
      _ = try run.worker()
      try run.expectUndisturbed(coordinator, "everything killed, coordinator and a worker again")
    }

    @Test func aStoppedWorkerIsLostWithinTheBoundAndMayComeAgain() throws {
      let run = try FaultRun(isLong: true)
      let coordinator = try run.coordinator(["--heartbeat", "0.6"])
      let (first, second) = (try run.worker(), try run.worker())
      try run.waitForAnEpoch()
      let began = Date()
      run.disturb { first.signal(SIGSTOP) }
      try run.wait(for: "lost")
      let seconds = Date().timeIntervalSince(began)
      let joined = run.count("joined")
      first.signal(SIGCONT)
      try run.wait(for: "joined", after: joined)
      try run.expectUndisturbed(
        coordinator, "a worker stopped: lost after \(Int(seconds * 1000)) ms of 600, came again")
      #expect(
        coordinator.output.contains("silent for") || coordinator.output.contains("took none of"))
      #expect(try first.status() == 0 && second.status() == 0)
    }

    @Test(arguments: [SIGINT, SIGTERM]) func aWorkerThatIsToldToEndTakesItsLeave(
      _ signal: Int32
    ) throws {
      let run = try FaultRun()
      let coordinator = try run.coordinator()
      let (first, second) = (try run.worker(), try run.worker())
      try run.waitForAnEpoch()
      run.disturb { first.signal(signal) }
      #expect(try first.status() == 130)
      try run.expectUndisturbed(coordinator, "signal \(signal) to a worker")
      #expect(try second.status() == 0)
      #expect(run.events().contains { $0.contains("it left the run") })
    }

    @Test(arguments: [SIGINT, SIGTERM]) func aCoordinatorThatIsToldToEndGoesOnLater(
      _ signal: Int32
    ) throws {
      let run = try FaultRun()
      let first = try run.coordinator()
      let workers = [try run.worker(), try run.worker()]
      try run.waitForAnEpoch()
      run.disturb { first.signal(signal) }
      #expect(try first.status() == 130)
      for worker in workers { #expect(try worker.status() == 0) }
      let second = try run.coordinator(workers: 1, resuming: true)
      _ = try run.worker()
      try run.expectUndisturbed(second, "signal \(signal) to the coordinator, resumed")
    }

    @Test func workersComeAndGoAllTheTime() throws {
      let run = try FaultRun()
      let coordinator = try run.coordinator(workers: 1, ["--checkpoint-every", "3"])
      _ = try run.worker()
      var others: [Running] = []
      // One more at every third update, and one of them less.
      while coordinator.process.isRunning, others.count < 12 {
        let before = run.count("checkpoint")
        try? waitUntil(20, "a checkpoint") {
          run.count("checkpoint") > before || !coordinator.process.isRunning
        }
        try run.disturb { others.append(try run.worker()) }
        if others.count % 3 == 0 { others[others.count - 2].signal(SIGKILL) }
      }
      try run.expectUndisturbed(coordinator, "\(others.count) workers joined on the way")
    }
  }
}
