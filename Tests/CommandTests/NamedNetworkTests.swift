import Engine
import Foundation
import TestSupport
import Testing

/// Every network that needs no file comes to one digest, whatever computes it.
@Suite struct NamedNetworkTests {
  @Test(arguments: Network.allCases)
  func `One digest for any threads, instruction set and workers`(_ network: Network) throws {
    let folder = try TemporaryFolder()
    try DrawnPictures.write(to: folder.path + "/data", train: 12, validation: 4, test: 0, seed: 6)
    var digests: Set<String> = []
    func train(_ run: String, _ more: [String], kernels: KernelSet? = nil) throws {
      let command = try Command(
        [
          "train", "data", "--network", network.rawValue, "--input-size", "48x50", "--epochs", "1",
          "--steps-per-epoch", "4", "--batch-size", "5", "--batches-per-update", "2",
          "--validation-steps", "1", "--optimizer", "adam", "--seed", "3", "--run", run,
        ] + more, in: folder,
        environment: kernels.map { ["DOGSLED_KERNELS": $0.rawValue] } ?? [:])
      #expect(command.status == 0, "\(command.errors)")
      digests.insert(String(try #require(command.lines.first { $0.hasPrefix("digest") })))
    }
    for kernels in KernelSet.available {
      try train(kernels.rawValue, ["--threads", "2"], kernels: kernels)
    }
    try train("one-thread", ["--threads", "1"])
    try train("workers", ["--workers", "3", "--threads", "1"])
    #expect(digests.count == 1, "\(digests)")
  }
}
