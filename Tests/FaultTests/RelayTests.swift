import Foundation
import Network
import Primitives
import Testing
import Training
import Wire

extension FaultTests {
  /// Connections that are slow or do harm, and strangers at the port.
  @Suite struct Relays {
    /// Kinds of frames: weights, work and updates to the worker, gradients from it and that it
    /// holds weights, and parts, both ways.
    @Test(arguments: Relay.Harm.allCases.dropFirst(), [3, 4, 6, 20, 23, 34] as [UInt8])
    func aRelayThatHarmsAFrame(_ harm: Relay.Harm, _ kind: UInt8) throws {
      let run = try FaultRun(isLocked: false)
      let coordinator = try run.coordinator()
      // Weights are sent and held once.
      let relay = try Relay(
        to: run.port, harm, kind: kind, after: [3, 23].contains(kind) ? 0 : 20)
      defer { relay.stop() }
      // The worker behind the relay may be refused for what the relay does; a third comes then.
      let near = try run.worker()
      let far = try run.worker(at: relay.port)
      try waitUntil(60, "harm: \(coordinator.output)") {
        relay.isDone || !coordinator.process.isRunning
      }
      run.disturb()
      _ = try run.worker()
      try run.expectUndisturbed(coordinator, "\(harm) frame of kind \(kind)")
      #expect(relay.isDone)
      #expect(try near.status() == 0)
      far.signal(SIGKILL)
    }

    @Test func twoHundredMillisecondsOfLatency() throws {
      let run = try FaultRun(isLocked: false)
      let coordinator = try run.coordinator()
      let relay = try Relay(to: run.port, latency: 0.1)
      defer { relay.stop() }
      let workers = [try run.worker(), try run.worker(at: relay.port)]
      run.disturb()
      try run.expectUndisturbed(coordinator, "200 ms there and back to one of two workers")
      for worker in workers { #expect(try worker.status() == 0) }
    }

    @Test func strangersAtThePort() throws {
      let run = try FaultRun()
      let coordinator = try run.coordinator()
      let first = try run.worker()
      try run.wait(for: "joined")
      run.disturb()
      // In processes of their own: Foundation's Process is not made for that many descriptors.
      let strangers = """
        for i in {1..500}; do
          exec {fd}<>/dev/tcp/127.0.0.1/\(run.port)
          ((i % 10)) || head -c 300 /dev/urandom >&$fd
        done
        for letter in D O G S L E D; do printf $letter >&$fd; sleep 0.1; done
        echo done
        sleep 60
        """
      let crowds = try (1...2).map {
        try Running("/bin/bash", ["-c", strangers], in: run.folder, log: "crowd-\($0)")
      }
      try waitUntil(60, coordinator.output) {
        crowds.allSatisfy { $0.output.contains("done") }
          && coordinator.output.contains(#/ma[dk]e room/#)
      }
      let second = try run.worker()
      try run.expectUndisturbed(coordinator, "1,000 idle connections, random bytes, a slow drip")
      #expect(try first.status() == 0)
      second.signal(SIGKILL)
      for crowd in crowds { crowd.signal(SIGKILL) }
    }

    private func waitForPort(_ run: FaultRun) throws {
      try waitUntil(60, "a port") {
        (try? Sockets.connect(to: run.port)).map { close($0) } != nil
      }
    }

    /// It says another version, or it makes something else of the probe.
    @Test(arguments: [("0.0", "install the same version"), (dogsledVersion, "same libjpeg")])
    func aWorkerOfAnotherBuild(_ version: String, _ expected: String) throws {
      let run = try FaultRun()
      let coordinator = try run.coordinator(workers: 1)
      try waitForPort(run)
      run.disturb()
      let mailbox = Mailbox<WorkerInput>()
      let client = try run.client(mailbox)
      client.send(
        .hello(
          Hello(
            version: version, name: "other:1", process: 1, threads: 1, kernels: "avx2"))
      )
      var refusal: String?
      while refusal == nil, let input = mailbox.next(timeout: .seconds(60)) {
        if case .message(.welcome) = input { client.send(.ready(.none)) }
        if case .message(.refuse(let reason)) = input { refusal = reason }
      }
      #expect(refusal?.contains(expected) == true, "\(refusal ?? "none"): \(coordinator.output)")
      _ = try run.worker()
      try run.expectUndisturbed(coordinator, "another build: \(expected)")
    }

    @Test func aWorkerOfAnotherVersion() throws {
      let run = try FaultRun(isLocked: false)
      let coordinator = try run.coordinator(workers: 1)
      try waitForPort(run)
      let socket = try Sockets.connect(to: run.port)
      defer { close(socket) }
      run.disturb()
      _ = Sockets.send(Array(Preface.bytes(version: 99).readableBytesView), socket)
      try waitUntil(20, coordinator.output) {
        coordinator.output.contains("version 99 of Dogsled's protocol")
      }
      _ = try run.worker()
      try run.expectUndisturbed(coordinator, "a peer of another protocol version")
    }

    @Test func aWorkerWithOtherPictures() throws {
      let run = try FaultRun()
      #expect(tool("cp -r '\(run.folder)/data' '\(run.folder)/other'"))
      #expect(
        tool("cd '\(run.folder)/other/train/cats' && cp \"$(ls | head -1)\" \"$(ls | tail -1)\""))
      let coordinator = try run.coordinator(workers: 1)
      run.disturb()
      let stranger = try run.worker(data: "other")
      #expect(try stranger.status() == 1)
      #expect(stranger.output.contains("differs from the coordinator's file"))
      _ = try run.worker()
      try run.expectUndisturbed(coordinator, "a worker with other pictures")
      #expect(run.count("refused") == 1)
    }

    /// Also where most of its errors are in the weights before one is found.
    @Test(arguments: [("1", "20"), ("0.1", "2")])
    func aMachineThatMakesErrors(_ verified: String, _ one: String) throws {
      let run = try FaultRun()
      let coordinator = try run.coordinator(
        workers: 3, ["--verify", verified, "--checkpoint-every", "2"])
      _ = [try run.worker(), try run.worker()]
      run.disturb()
      let bad = try run.worker(environment: ["DOGSLED_TEST_DAMAGE": one])
      try run.expectUndisturbed(
        coordinator, "one gradient in \(one) wrong, \(verified) of all verified")
      #expect(try bad.status() == 1)
      #expect(bad.output.contains("its memory or its processor makes errors"), "\(bad.output)")
    }
  }
}
