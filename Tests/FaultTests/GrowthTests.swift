import Foundation
import Testing

extension FaultTests {
  /// A long run of a tiny model whose workers come and go.
  @Suite struct Growth {
    /// Memory in KiB and open descriptors of a process.
    private struct Usage {
      let memory: Int
      let descriptors: Int

      init?(_ process: Int32) {
        let folder = "/proc/\(process)"
        guard let status = try? String(contentsOfFile: "\(folder)/status", encoding: .utf8),
          let match = status.firstMatch(of: #/VmRSS:\s+(\d+)/#), let memory = Int(match.1),
          let files = try? FileManager.default.contentsOfDirectory(atPath: "\(folder)/fd")
        else { return nil }
        (self.memory, descriptors) = (memory, files.count)
      }
    }

    private static let model = """
      {"class_name": "Sequential", "config": {"name": "tiny", "layers": [
      {"class_name": "InputLayer", "config": {"batch_shape": [null, 20, 20, 3], "name": "i"}},
      {"class_name": "Conv2D", "config": {"name": "c", "filters": 8, "kernel_size": [3, 3],
       "strides": [1, 1], "padding": "valid", "activation": "relu", "use_bias": true}},
      {"class_name": "MaxPooling2D", "config": {"name": "p", "pool_size": [2, 2],
       "strides": [2, 2], "padding": "valid"}},
      {"class_name": "Flatten", "config": {"name": "f"}},
      {"class_name": "Dense", "config": {"name": "d", "units": 1, "activation": "sigmoid",
       "use_bias": true}}]}}
      """

    @Test func nothingGrowsOverTenThousandUpdates() throws {
      let run = try FaultRun()
      try Self.model.write(toFile: "\(run.folder)/model.json", atomically: true, encoding: .utf8)
      // Two workers compute each update; how much they compute is all the same.
      let long = [
        "--epochs", "50", "--steps-per-epoch", "400", "--batches-per-update", "2",
        "--batch-size", "2", "--checkpoint-every", "50",
      ]
      let coordinator = try run.coordinator(workers: 2, long)
      let staying = try run.worker()
      var going = try run.worker()
      try run.wait(for: "epoch", after: 5, 120)
      let before = try [coordinator, staying].map { try #require(Usage($0.pid)) }
      var after = before
      var kills = 0
      while coordinator.process.isRunning {
        for (index, running) in [coordinator, staying].enumerated() {
          if let usage = Usage(running.pid) { after[index] = usage }
        }
        going.signal(kills % 2 == 0 ? SIGKILL : SIGTERM)
        _ = try going.status()
        going = try run.worker()
        kills += 1
        usleep(300_000)
      }
      #expect(try coordinator.status() == 0, "\(coordinator.output)")
      for (before, after) in zip(before, after) {
        #expect(after.memory < before.memory + 8192, "\(before) \(after)")
        #expect(after.descriptors <= before.descriptors + 4, "\(before) \(after)")
      }
      let digest = try run.digest()
      try FileManager.default.removeItem(atPath: "\(run.folder)/run")
      try run.trainAlone(long)
      #expect(try run.digest() == digest)
      print(
        "fault: 10,000 updates, a worker ended \(kills) times: memory in KiB",
        zip(before, after).map { "\($0.memory) to \($1.memory)" }.joined(separator: ", "),
        "digest \(digest)")
    }
  }
}
