import ArgumentParser
import Engine
import Foundation
import Pictures
import Training

/// What `train` and `coordinator` do before anybody computes: the data set is scanned, every
/// picture decoded once, the run's folder made.
struct TrainingSetup: Sendable {
  let job: TrainingJob
  let training: PictureStore
  let validation: PictureStore
  let folder: RunFolder
  let checkpoint: ModelFile?

  /// - Parameters:
  ///   - start: where the run begins.
  ///   - data: the data set's folder.
  ///   - pictureCache: bytes of decoded pictures that each store keeps; none where other processes
  ///     compute.
  /// - Throws: one clear line, or a list of the pictures that cannot be decoded.
  init(
    _ options: TrainingOptions, _ start: RunStart, data: String, pictureCache: Int
  ) throws {
    let (architecture, hyperparameters) = (start.architecture, start.hyperparameters)
    var manifest = try DataSet.scan(data).manifest
    try hyperparameters.validate(trainingPictures: manifest.training.count)
    log("decoding \(manifest.training.count + manifest.validation.count) pictures")
    func store(_ entries: [ManifestEntry]) -> PictureStore {
      PictureStore(
        folder: data, entries: entries, height: architecture.input.height,
        width: architecture.input.width, settings: hyperparameters.pictures,
        threads: options.threading.count, memoryLimit: pictureCache)
    }
    var stores = (store(manifest.training), store(manifest.validation))
    let bad = (stores.0.check(), stores.1.check())
    try report(unreadable: (bad.0 + bad.1).map(\.error), leavingOut: options.skipUnreadable)
    if !(bad.0 + bad.1).isEmpty {
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
    folder = try start.folder(options, for: job, data: data)
    checkpoint = start.checkpoint
  }

  /// Says what is about to run.
  func announce(computing: String) {
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
    if let position = checkpoint?.position {
      log("goes on    after update \(position.updates) of \(job.schedule.updates)")
    }
  }

  /// Prints what a run leaves behind, and turns its ending into the exit status.
  /// - Throws: `Failure` for a run that failed, or whose results cannot be printed; `ExitCode` 130
  ///   for one that was interrupted.
  func conclude(_ ending: RunEnding, digest: Digest) throws {
    let files = ["run.json", "history.csv", "events.jsonl", "checkpoint.h5", "model.h5"]
    let written = (files + ["curves.svg", "curves.png"]).filter {
      FileManager.default.fileExists(atPath: "\(folder.path)/\($0)")
    }
    let printed = Result {
      try emit(
        """
        run folder  \(folder.path)
        digest      \(digest)
        files       \(written.joined(separator: " "))
        """)
    }
    switch ending {
    case .finished: try printed.get()
    case .interrupted: throw ExitCode.interrupted
    case .failed(let reason): throw Failure(reason)
    case .cutShort(let reason): throw Failure(reason, status: .tryAgain)
    }
  }
}
