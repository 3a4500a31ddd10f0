import ArgumentParser
import Coordination
import Engine
import Foundation
import KerasFiles
import Pictures
import Primitives
import Runs
import Training

/// What `train` and `coordinator` do before anybody computes: the data set is scanned, every
/// picture decoded once, the run's folder made.
struct TrainingSetup: Sendable {
  /// The data folder.
  let data: String
  let job: TrainingJob
  let training: PictureStore
  let validation: PictureStore
  let folder: RunFolder
  let checkpoint: ModelFile?

  /// - Parameters:
  ///   - start: where the run begins.
  ///   - pictureCache: bytes of decoded pictures that each store keeps; none where other processes
  ///     compute.
  /// - Throws: one clear line, or a list of the pictures that cannot be decoded.
  init(
    _ options: TrainingOptions, _ start: RunStart, pictureCache: Int
  ) throws {
    data = start.data
    let (architecture, hyperparameters) = (start.architecture, start.hyperparameters)
    let scanned = try DataSet.scan(data, classes: architecture.loss.classes)
    scanned.remarks.forEach(log)
    var manifest = scanned.manifest
    try hyperparameters.validate(trainingPictures: manifest.training.count)
    log("decoding \(manifest.training.count + manifest.validation.count) pictures")
    func store(_ entries: [ManifestEntry]) throws -> PictureStore {
      try PictureStore(
        folder: start.data, entries: entries,
        decoder: PictureDecoder(hyperparameters.pictures, for: architecture.input),
        threads: options.threading.count, memoryLimit: pictureCache)
    }
    var stores = (try store(manifest.training), try store(manifest.validation))
    let bad = (stores.0.check(), stores.1.check())
    try report(unreadable: (bad.0 + bad.1).map(\.error), leavingOut: options.skipUnreadable)
    if !(bad.0 + bad.1).isEmpty {
      let indices = (Set(bad.0.map(\.index)), Set(bad.1.map(\.index)))
      manifest = manifest.leavingOut(training: indices.0, validation: indices.1)
      stores = (try stores.0.leavingOut(indices.0), try stores.1.leavingOut(indices.1))
      for entries in [manifest.training, manifest.validation]
      where Set(entries.map(\.label)).count < manifest.classes.count {
        throw Failure("\(data): a class has no picture left that can be used")
      }
      try hyperparameters.validate(trainingPictures: manifest.training.count)
    }
    (training, validation) = stores
    job = try TrainingJob(
      architecture: architecture, hyperparameters: hyperparameters, manifest: manifest,
      start: start.weights)
    folder = try start.folder(options, for: job)
    checkpoint = start.checkpoint
  }

  /// Says what is about to run.
  /// - Parameters:
  ///   - memory: what it takes beside decoded pictures.
  ///   - keepsPictures: whether those are kept on this machine.
  func announce(computing: String, memory: MemoryNeed, keepsPictures: Bool) {
    let values = job.hyperparameters
    func count(_ entries: [ManifestEntry], _ label: Int) -> Int {
      entries.count { $0.label == label }
    }
    let classes = job.manifest.classes
    let pictures = classes.prefix(10).enumerated().map { label, name in
      "\(name) \(count(job.manifest.training, label))+\(count(job.manifest.validation, label))"
    }
    let others =
      classes.dropFirst(10).isEmpty
      ? ""
      : ", ... \(classes.count) classes, together "
        + "\(job.manifest.training.count)+\(job.manifest.validation.count)"
    let changing = values.scheduleSummary
    let schedule = changing.isEmpty ? "" : "\nschedule    \(changing)"
    let against = values.regularizationSummary
    let regularized = against.isEmpty ? "" : "\nregularized \(against)"
    let changes = values.augmentation.isNone ? "" : "\naugmented   \(values.augmentation.summary)"
    log(
      """
      model       \(job.modelSummary)
      pictures    \(pictures.joined(separator: ", "))\(others) (training+validation)\(changes)
      epochs      \(values.epochs) of \(values.stepsPerEpoch) steps of \(values.batchSize) \
      pictures, seed \(values.seed)
      update      \(values.updateSummary)
      optimizer   \(values.optimizer.summary)\(schedule)\(regularized)
      computing   \(computing)
      memory      \(memory.text)\(keepsPictures ? ", and some of what is left for pictures" : "")
      run folder  \(folder.path)
      """)
    if let position = checkpoint?.position {
      log("goes on    after update \(position.updates) of \(job.schedule.updates)")
    }
  }

  /// `best.h5 of epoch 12, val_loss 0.5123, val_acc 0.7400, digest ...`.
  private static func line(_ best: BestEpoch) -> String {
    String(
      format: "best.h5 of epoch %d, val_loss %.4f, val_acc %.4f, digest %@", best.epoch,
      best.validationLoss, best.validationAccuracy, best.digest.description)
  }

  /// Prints what a run leaves behind, and turns its ending into the exit status.
  /// - Parameter again: the command that goes on with the run, without its `--resume`.
  /// - Throws: `Failure` for a run that failed, or whose results cannot be printed; `ExitCode` 130
  ///   for one that was interrupted.
  func conclude(_ ending: RunEnding, digest: Digest, again: [String]) throws {
    let files = [
      "run.json", "pictures.json", "classes.txt", "start.h5", "history.csv", "events.jsonl",
      "checkpoint.h5", "model.h5", "best.h5", "curves.svg", "curves.png",
    ]
    let written = files.filter {
      FileManager.default.fileExists(atPath: "\(folder.path)/\($0)")
    }
    let printed = Result {
      try emit(
        """
        run folder  \(folder.path)
        digest      \(digest)\(folder.best.map { "\nbest        \(Self.line($0))" } ?? "")
        files       \(written.joined(separator: " "))
        """)
    }
    let path = folder.path
    let resume = path.hasPrefix("-") ? ["--resume=\(path)"] : ["--resume", path]
    let command = shellLine([CommandLine.arguments[0]] + again + resume)
    switch ending {
    case .finished: try printed.get()
    case .interrupted:
      log("go on with: \(command)")
      throw ExitCode.interrupted
    case .failed(let reason): throw Failure(reason)
    case .cutShort(let reason):
      log("go on with: \(command)")
      throw Failure(reason, status: .tryAgain)
    }
  }
}

extension TrainingJob {
  /// What is trained, for the lines that a run begins with.
  fileprivate var modelSummary: String {
    let parameters = architecture.parameters
    let trained = parameters.trained.reduce(0) { $0 + $1.count }
    let frozen = parameters.tensors.reduce(0) { $0 + ($1.isFrozen ? $1.count : 0) }
    var counts = "\(parameters.parameterCount) parameters"
    if frozen > 0 { counts += ", of which \(trained) are trained" }
    let thaws = Set(parameters.tensors.map(\.rule.frozenUpdates)).subtracting([0]).sorted()
    for updates in thaws {
      let late = parameters.trained.filter { $0.rule.frozenUpdates == updates }
      let epoch = updates / hyperparameters.updatesPerEpoch
      counts += ", \(late.reduce(0) { $0 + $1.count }) of them from epoch \(epoch + 1) on"
    }
    let rates = Set(parameters.trained.map(\.rule.rate)).subtracting([1]).sorted()
    if !rates.isEmpty {
      let factors = rates.map { "\($0)" }.joined(separator: ", ")
      counts += ", some with the learning rate times \(factors)"
    }
    let from = start == nil ? "" : ", begins with weights that were given"
    return "\(counts), input \(architecture.input.height) x \(architecture.input.width)\(from)"
  }
}

extension Hyperparameters {
  /// What an update is, for the lines that a run begins with.
  fileprivate var updateSummary: String {
    let updates = counted(updatesPerEpoch, "update")
    let average = "average of U = \(batchesPerUpdate) steps, \(updates) an epoch"
    let scaled =
      switch rateScaling {
      case .none: ""
      case .sqrt: "; the learning rate times the root of U (--scale-rate sqrt)"
      case .linear: "; the learning rate times U (--scale-rate linear)"
      }
    return average + scaled
  }
}
