import ArgumentParser
import Engine
import Foundation
import Pictures
import Training

/// What `train` and `coordinator` do before anybody computes: the data set is scanned, every
/// picture decoded once, the model built.
struct TrainingSetup {
  let data: String
  let job: TrainingJob
  let training: PictureStore
  let validation: PictureStore

  /// - Parameters:
  ///   - architecture: what `options` name.
  ///   - workers: batches of an update where the options do not say.
  ///   - keepsPictures: whether this process computes, and so needs the decoded pictures.
  /// - Throws: one clear line, or a list of the pictures that cannot be decoded.
  init(
    _ options: TrainingOptions, architecture: Architecture, data: String, workers: Int,
    keepsPictures: Bool
  ) throws {
    self.data = data
    // Before the pictures are decoded, which takes a while.
    if let run = options.run { try RunFolder.refuseUsed(run) }
    let hyperparameters = options.hyperparameters(workers: workers)
    var manifest = try DataSet.scan(data).manifest
    try hyperparameters.validate(trainingPictures: manifest.training.count)
    log("decoding \(manifest.training.count + manifest.validation.count) pictures")
    func store(_ entries: [ManifestEntry]) -> PictureStore {
      PictureStore(
        folder: data, entries: entries, height: architecture.input.height,
        width: architecture.input.width, interpolation: options.interpolation,
        threads: options.threadCount, memoryLimit: keepsPictures ? 1 << 30 : 0)
    }
    var stores = (store(manifest.training), store(manifest.validation))
    let bad = (stores.0.check(), stores.1.check())
    let count = bad.0.count + bad.1.count
    if count > 0 {
      (bad.0 + bad.1).forEach { log("\($0.error)") }
      guard options.skipUnreadable else {
        throw Failure(
          "\(count) of the pictures cannot be used: remove them, or leave them out with "
            + "--skip-unreadable")
      }
      log("left out \(count) pictures")
      let indices = (Set(bad.0.map(\.index)), Set(bad.1.map(\.index)))
      manifest = manifest.leavingOut(training: indices.0, validation: indices.1)
      stores = (stores.0.leavingOut(indices.0), stores.1.leavingOut(indices.1))
      for entries in [manifest.training, manifest.validation]
      where Set(entries.map(\.label)).count < manifest.classes.count {
        throw Failure("\(data): a class has no picture left that can be used")
      }
      try hyperparameters.validate(trainingPictures: manifest.training.count)
    }
    (training, validation) = stores
    job = try TrainingJob(
      architecture: architecture, hyperparameters: hyperparameters, manifest: manifest)
  }

  /// Makes the run's folder.
  func makeFolder(_ options: TrainingOptions) throws -> RunFolder {
    try RunFolder.create(
      options.run ?? RunFolder.defaultPath(), description: RunDescription(job, data: data))
  }

  /// Says what is about to run.
  func announce(_ folder: RunFolder, computing: String) {
    let values = job.hyperparameters
    func count(_ entries: [ManifestEntry], _ label: Int) -> Int {
      entries.count { Int($0.label) == label }
    }
    let pictures = job.manifest.classes.enumerated().map { label, name in
      "\(name) \(count(job.manifest.training, label))+\(count(job.manifest.validation, label))"
    }
    log(
      """
      model       \(job.architecture.parameters.parameterCount) parameters, input \
      \(job.architecture.input.height) x \(job.architecture.input.width)
      pictures    \(pictures.joined(separator: ", ")) (training+validation)
      epochs      \(values.epochs) of \(values.stepsPerEpoch) steps of \(values.batchSize) \
      pictures, seed \(values.seed)
      update      average of U = \(values.batchesPerUpdate) steps, learning rate \
      \(values.learningRate)
      computing   \(computing)
      run folder  \(folder.path)
      """)
  }

  /// Prints what a run leaves behind, and turns its ending into the exit status.
  /// - Throws: `Failure` for a run that failed; `ExitCode` 130 for one that was interrupted.
  static func conclude(_ ending: RunEnding, digest: Digest, folder: RunFolder) throws {
    print("run folder  \(folder.path)")
    print("digest      \(digest)")
    let files = ["run.json", "history.csv", "events.jsonl", "checkpoint.h5", "model.h5"]
    let written = (files + ["curves.svg", "curves.png"]).filter {
      FileManager.default.fileExists(atPath: "\(folder.path)/\($0)")
    }
    print("files       \(written.joined(separator: " "))")
    switch ending {
    case .finished: return
    case .interrupted: throw ExitCode(130)
    case .failed(let reason): throw Failure(reason)
    }
  }
}
