import Engine
import Foundation
import NIOCore
import Network
import Primitives
import Synchronization
import Testing
import Training
import Wire

extension FaultTests {
  /// Peers that speak the protocol and are no workers, or are no good ones.
  @Suite struct FakePeers {
    private func hello(_ number: UInt64) -> WorkerMessage {
      .hello(
        Hello(
          version: dogsledVersion, name: "fake:\(number)", process: number, threads: 1,
          kernels: "avx2"))
    }

    /// It says hello, and sends gradients of every step with the weights of every update, and
    /// totals of validation, over and over.
    @Test(arguments: ["0", "1"]) func aPeerThatAnswersWhatItWasNotGiven(_ verify: String) throws {
      let run = try FaultRun(isLong: true)
      let coordinator = try run.coordinator(["--verify", verify])
      _ = [try run.worker(), try run.worker()]
      try run.waitForAnEpoch()
      run.disturb()
      let floats = [Float](repeating: 1, count: 100)
      var number: UInt64 = 0
      while coordinator.process.isRunning {
        number += 1
        let mailbox = Mailbox<WorkerInput>()
        guard let fake = try? run.client(mailbox) else {
          break
        }
        fake.send(hello(number))
        for step in 0..<240 where number % 4 > 0 {
          let header = GradientHeader(
            step: step + Int(number % 10) * 240,
            weightsVersion: .init(update: step / 4 + Int(number % 10) * 60),
            totals: [.init(loss: 1, correct: 1, count: 6)], digest: .ofNothing)
          // Numbers of who is no worker yet end its connection as they come.
          if number % 4 == 1 {
            fake.send(
              .part(
                floats.withUnsafeBufferPointer {
                  Part(
                    .gradient(step: header.step), version: header.weightsVersion, index: 0,
                    floats: $0, bytesPerSecond: nil)
                }))
          }
          fake.send(.gradient(header, nil))
          fake.send(.holds(HeldWeights(version: header.weightsVersion, digest: .ofNothing)))
        }
        fake.send(
          .evaluated(
            EvaluationHeader(
              batch: 0, weightsVersion: .init(update: 10), loss: 1, correct: 1, count: 6)))
        while let input = mailbox.next(timeout: .seconds(10)) {
          if case .closed = input { break }
        }
        fake.close()
      }
      try run.expectUndisturbed(
        coordinator, "\(number) peers that answer what they were not given, \(verify) verified")
      #expect(number > 3)
      #expect(run.count("rollback") == 0)
      #expect(coordinator.output.contains("before it was ready"), "\(coordinator.output)")
    }

    /// A worker whose heart beats, and whose answers do not come any more, in a run that verifies.
    @Test func aWorkerThatBeatsAndNeverAnswers() throws {
      let run = try FaultRun()
      let coordinator = try run.coordinator(workers: 2, ["--verify", "1"])
      let good = try run.worker()
      let kernels = try KernelSet.chosen()
      let client = try connected(run)
      run.disturb()
      let data = "\(run.folder)/data"
      Thread.detachNewThread {
        let worker = WorkerHost(
          pictures: .folder(data), threads: 1, kernels: kernels, name: "mute:1")
        _ = worker.run(mailbox: client.mailbox, link: MuteLink(client.client, after: 12))
      }
      try run.expectUndisturbed(coordinator, "a worker that beats and never answers")
      #expect(coordinator.output.contains("waiting for worker"), "\(coordinator.output)")
      #expect(coordinator.output.contains("has not answered for"))
      #expect(run.count("rollback") == 0)
      #expect(try good.status() == 0)
    }

    private func connected(
      _ run: FaultRun
    ) throws -> (client: WorkerClient, mailbox: Mailbox<WorkerInput>) {
      let mailbox = Mailbox<WorkerInput>()
      var client: WorkerClient?
      try waitUntil(60, "a port") {
        client = try? run.client(mailbox)
        return client != nil
      }
      return (try #require(client), mailbox)
    }

    /// A machine whose gradients are no numbers: its steps are computed again, and it goes.
    @Test func aWorkerWhoseGradientsAreNoNumbers() throws {
      let run = try FaultRun(isLong: true)
      let coordinator = try run.coordinator(workers: 3, ["--checkpoint-every", "2"])
      _ = [try run.worker(), try run.worker()]
      let kernels = try KernelSet.chosen()
      let client = try connected(run)
      run.disturb()
      let ended = Mailbox<WorkerEnding>()
      let data = "\(run.folder)/data"
      Thread.detachNewThread {
        var count = 0
        let worker = WorkerHost(
          pictures: .folder(data), threads: 1, kernels: kernels, name: "bad:1")
        worker.damage = { gradient in
          count += 1
          if count > 9 { gradient.floats[100] = .nan }
        }
        ended.put(worker.run(mailbox: client.mailbox, link: client.client))
      }
      try run.expectUndisturbed(coordinator, "a worker whose gradients are no numbers")
      let ending = ended.next(timeout: .seconds(20))
      #expect(ending?.description.contains("makes errors") == true, "\(coordinator.output)")
    }

    /// As many peers as there are places, that say hello and beat; and a flood of long hellos.
    @Test func peersThatKeepAllPlaces() throws {
      let run = try FaultRun(isLocked: false)
      let coordinator = try run.coordinator(workers: 1)
      _ = try connected(run).client.close()
      var greeting = Preface.bytes
      greeting.writeImmutableBuffer(try frame(hello(1)))
      var long = Preface.bytes
      let beats = (1...500).map {
        ("beat\($0)", OutgoingMessage.heartbeat.frame(number: UInt32($0)).bytes)
      }
      let text = String(repeating: "\u{1B}[31m\n猫", count: 200)
      long.writeImmutableBuffer(
        try frame(
          .hello(Hello(version: text, name: "a", process: 1, threads: 1, kernels: "avx2"))))
      for (name, bytes) in [
        ("hello", greeting), ("long", long),
      ] + beats {
        try Data(bytes.readableBytesView).write(
          to: URL(fileURLWithPath: "\(run.folder)/\(name).bin"))
      }
      // In a process of its own: Foundation's Process is not made for that many descriptors. Frames
      // are numbered, so each heartbeat is another.
      let crowd = """
        for i in {1..256}; do
          exec {fd}<>/dev/tcp/127.0.0.1/\(run.port); cat hello.bin >&$fd; all+=($fd)
        done
        for i in {1..1000}; do (cat long.bin >/dev/tcp/127.0.0.1/\(run.port)) done
        for fd in ${all[@]}; do cat beat1.bin >&$fd; done
        echo full
        for i in {2..\(beats.count)}; do
          for fd in ${all[@]}; do cat beat$i.bin >&$fd; done; sleep 0.2
        done
        """
      run.disturb()
      let peers = try Running("/bin/bash", ["-c", crowd], in: run.folder, log: "crowd")
      try waitUntil(120, coordinator.output) { peers.output.contains("full") }
      _ = try run.worker()
      try run.expectUndisturbed(coordinator, "256 peers with a hello, 1,000 with a long one")
      peers.signal(SIGKILL)
      #expect(coordinator.output.contains("more such lines"), "\(coordinator.output)")
      // Of each kind a line a minute, and how many more.
      #expect(run.count("refused") + run.count("lost") < 20)
      #expect(coordinator.output.utf8.count < 100_000)
      #expect(!coordinator.output.contains("\u{1B}[31m"))
    }

    private func frame(_ message: WorkerMessage) throws -> ByteBuffer {
      try OutgoingMessage(message).frame(number: 0).bytes
    }
  }
}

/// A link that swallows answers.
private final class MuteLink: CoordinatorLink {
  private let link: any CoordinatorLink
  private let left: Mutex<Int>
  var bytesPerSecond: Double? { link.bytesPerSecond }

  /// - Parameter count: answers that still come.
  init(_ link: any CoordinatorLink, after count: Int) {
    self.link = link
    left = Mutex(count)
  }

  func send(_ message: WorkerMessage) {
    switch message {
    case .gradient, .evaluated:
      let isHeard = left.withLock { left in
        left -= 1
        return left >= 0
      }
      if isHeard { link.send(message) }
    case .part where left.withLock({ $0 <= 0 }): break
    default: link.send(message)
    }
  }

  func close() { link.close() }
}
