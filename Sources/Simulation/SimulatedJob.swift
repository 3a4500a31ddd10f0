import Engine
import Foundation
import KerasFiles
import Pictures
import Primitives
import Runs
import Training

/// What simulated runs train: a tiny network on a few real JPEGs, and what it comes to undisturbed.
///
/// All runs share the decoded pictures.
public final class SimulatedJob: Sendable {
  /// The jobs differ in their batches per update: one, some with a rest, and more than a gradient's
  /// sum takes at once.
  static let batchesPerUpdate = [1, 3, 10]
  /// And in their dense layer, whose gradient travels as factors in the first two.
  private static let units = [16, 16, 4]

  let job: TrainingJob
  let training: PictureStore
  let validation: PictureStore
  let kernels: KernelSet
  /// The digest of the weights, and the history, of a run in one process.
  let digest: Digest
  let history: [EpochRecord]
  /// Its best epoch.
  let best: BestEpoch?

  /// All jobs.
  /// - Throws: where pictures cannot be made, or written to a temporary folder.
  public static func all(kernels: KernelSet) throws -> [SimulatedJob] {
    let folder = NSTemporaryDirectory() + "simulation-\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try draw(folder)
    return try zip(batchesPerUpdate, units).map {
      try SimulatedJob($0, units: $1, folder: folder, kernels: kernels)
    }
  }

  private init(
    _ batchesPerUpdate: Int, units: Int, folder: String, kernels: KernelSet
  ) throws {
    self.kernels = kernels
    var values = Hyperparameters()
    // Of three epochs the second may be the best so far, and be forgotten again.
    values.epochs = batchesPerUpdate == 1 ? 3 : 2
    values.stepsPerEpoch = 11
    values.batchSize = 2
    values.validationSteps = 4
    values.learningRate = 3e-3
    values.batchesPerUpdate = batchesPerUpdate
    // In a third of the runs.
    if batchesPerUpdate == 3 {
      values.choose(OptimizerName(Adam.self))
      values.augmentation = .book
      values.dropout = 0.3
      values.rateSchedule = .cosine
    }
    // In another third the rate falls after some epoch: a run that rolls back to before it
    // must have the higher one again.
    if batchesPerUpdate == 10 {
      values.epochs = 4
      (values.rateSchedule, values.decayEpochs, values.learningRate) = (
        .plateau, 1, 0.03
      )
    }
    let architecture = try Architecture(
      input: Shape(height: 8, width: 8, channels: 3),
      layers: [
        (nil, .convolution(Convolution(filters: 2))), (nil, .maxPooling(size: 2)), (nil, .flatten),
        (nil, .dense(units: units, activation: .relu)),
        (nil, .dense(units: 1, activation: .sigmoid)),
      ])
    job = try TrainingJob(
      architecture: try values.regularized(architecture), hyperparameters: values,
      manifest: DataSet.scan(folder, classes: architecture.loss.classes).manifest)
    let stores = try [job.manifest.training, job.manifest.validation].map {
      try PictureStore(
        folder: folder, entries: $0,
        decoder: PictureDecoder(values.pictures, for: architecture.input), threads: 0,
        memoryLimit: 1 << 20)
    }
    (training, validation) = (stores[0], stores[1])
    for store in stores {
      if let bad = store.check().first { throw bad.error }
    }
    let disk = SimulatedDisk()
    let (ending, digest) = try OneProcess.train(
      job, pictures: (training, validation), threads: 1, kernels: kernels, store: disk,
      mailbox: Mailbox(), report: { _ in })
    guard ending == .finished else { throw WorkerError("the undisturbed run ended: \(ending)") }
    self.digest = digest
    history = disk.history.records
    best = disk.best?.best
    guard values.rateSchedule != .plateau || Set(history.map(\.learningRate)).count > 1 else {
      throw WorkerError("the undisturbed run reaches no plateau: its rate stays")
    }
  }

  private static func draw(_ folder: String) throws {
    for (part, count) in [("train", 13), ("validation", 4)] {
      for (label, name) in ["cats", "dogs"].enumerated() {
        let path = "\(folder)/\(part)/\(name)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        for index in 0..<count {
          let noise = CounterRandom(
            seed: 3, purpose: .simulation, UInt64(label), UInt64(index + part.count * 100))
          let picture = try DecodedPicture(height: 8, width: 8) { bytes in
            for i in bytes.indices {
              bytes[i] = UInt8(noise.bits(UInt64(i)) & 127) + UInt8(label * 100)
            }
          }
          try Data(JPEG.encode(picture, quality: 90)).write(
            to: URL(fileURLWithPath: "\(path)/\(index + 10).jpg"))
        }
      }
    }
  }
}
