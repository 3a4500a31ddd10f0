import Engine
import Foundation
import KerasFiles
import Pictures
import Testing
import Training
import Wire

/// A worker's own copy of the data set, compared with the coordinator's manifest.
@Suite struct WorkerFilesTests {
  /// Used on one thread alone.
  private final class Link: CoordinatorLink, @unchecked Sendable {
    var isReady = false
    var isClosed = false
    func send(_ message: WorkerMessage) { if case .ready = message { isReady = true } }
    func close() { isClosed = true }
    var bytesPerSecond: Double? { nil }
  }

  /// What becomes of a worker that is welcomed to `run` with the files that are there now.
  private func welcome(_ run: TinyRun) throws -> (ending: WorkerEnding?, isReady: Bool) {
    let worker = WorkerHost(pictures: .folder(run.data), threads: 1, kernels: .baseline)
    let link = Link()
    let manifest = try JSONEncoder().encode(run.job.manifest)
    let welcome = Welcome(
      worker: 0, model: KerasConfiguration.encode(run.job.architecture),
      floats: run.job.architecture.parameters.bufferCount,
      optimizer: run.job.hyperparameters.optimizer,
      batchSize: run.job.hyperparameters.batchSize, batchesPerUpdate: 1,
      pictures: run.job.hyperparameters.pictures.description,
      augmentation: run.job.hyperparameters.augmentation.description, seed: 1,
      manifest: String(decoding: manifest, as: UTF8.self))
    worker.begin(link)
    let ending = worker.step(.message(.welcome(welcome)), link)
    #expect(link.isClosed == (ending != nil))
    return (ending, link.isReady)
  }

  @Test func theFirstThatIsMissingOrDiffersIsNamed() throws {
    let run = try TinyRun()
    var (ending, isReady) = try welcome(run)
    #expect(ending == nil && isReady)

    let (early, late) = (run.job.manifest.training[20], run.job.manifest.validation[3])
    func write(_ bytes: Data?, to entry: ManifestEntry) throws {
      let url = URL(fileURLWithPath: "\(run.data)/\(entry.path)")
      if let bytes { try bytes.write(to: url) } else { try FileManager.default.removeItem(at: url) }
    }
    try write(nil, to: late)
    (ending, isReady) = try welcome(run)
    let copy = "copy the coordinator's data folder here"
    #expect(
      ending == .refused("\(run.data)/\(late.path) is missing or cannot be read: \(copy)"))
    #expect(!isReady)

    try write(Data([0xFF, 0xD8]), to: early)
    (ending, isReady) = try welcome(run)
    #expect(
      ending == .refused("\(run.data)/\(early.path) differs from the coordinator's file: \(copy)"))
    #expect(!isReady)
  }
}
