import Engine
import Training

/// Where a run begins: anew, or at the checkpoint of one that goes on.
struct RunStart {
  let architecture: Architecture
  let hyperparameters: Hyperparameters
  /// What `--resume` names; its folder is locked from now on.
  let resumed: (folder: RunFolder, description: RunDescription)?
  /// Nil at a run's start, also of one that ended before its first checkpoint.
  let checkpoint: ModelFile?

  /// Reads what `--model` or `--resume` name.
  ///
  /// - Parameter workers: batches of an update where neither the options nor the run say.
  /// - Throws: one clear line, before anything that takes a while.
  init(_ options: TrainingOptions, workers: Int) throws {
    let named = try options.model.map { try KerasConfiguration.architecture(inFile: $0) }
    guard let path = options.resume else {
      if let run = options.run { try RunFolder.refuseUnusable(run) }
      architecture = try named ?? .book()
      var values = Hyperparameters()
      values.batchesPerUpdate = workers
      hyperparameters = options.hyperparameters(over: values)
      (resumed, checkpoint) = (nil, nil)
      return
    }
    let folder = try RunFolder.open(path)
    let description: RunDescription = try folder.description()
    guard description.dogsled == dogsledVersion else {
      throw Failure(
        "\(path): the run was begun by dogsled \(description.dogsled), and this is "
          + "\(dogsledVersion): go on with the version that began it")
    }
    hyperparameters = description.hyperparameters
    do {
      try hyperparameters.validate()
      architecture = try KerasConfiguration.decode(description.model)
    } catch {
      throw Failure("\(folder.descriptionPath): no run can be so: \(error)")
    }
    let differences = options.hyperparameters(over: hyperparameters).differences(
      from: hyperparameters)
    guard differences.isEmpty else {
      throw Failure("\(path): the run was begun otherwise: \(differences.joined(separator: ", "))")
    }
    if let named, named != architecture {
      throw Failure("\(path): the run was begun with another model than --model names")
    }
    resumed = (folder, description)
    let (file, damage) = try folder.checkpoint(of: description.digest)
    if let damage { log("\(damage); going on from the checkpoint before it") }
    if let file, !file.isFinite {
      throw Failure(
        "\(path): its checkpoint holds weights that are no finite numbers: the run diverged; begin "
          + "it anew with a smaller --learning-rate")
    }
    checkpoint = file
    let (epochs, done) = (folder.history.records.map(\.epoch), file?.position?.epochs ?? 0)
    guard epochs == Array(0..<epochs.count).map({ $0 + 1 }), epochs.count >= done else {
      throw Failure(
        "\(folder.historyPath): does not have the epochs 1 to \(done) that the checkpoint follows")
    }
    if file == nil, !epochs.isEmpty { log("\(path): no checkpoint is there: it begins again") }
  }

  /// Makes the run's folder, or takes the one of the run that goes on.
  /// - Throws: where it cannot be made, or the run was begun with other pictures than `job`'s.
  func folder(_ options: TrainingOptions, for job: TrainingJob, data: String) throws -> RunFolder {
    guard let resumed else {
      return try RunFolder.create(
        options.run ?? RunFolder.defaultPath(), description: RunDescription(job, data: data))
    }
    guard resumed.description.dataDigest == job.manifest.digest else {
      throw Failure(
        "\(data): not the pictures that the run in \(resumed.folder.path) was begun with "
          + "(\(resumed.description.data)): a run goes on with the same files")
    }
    return resumed.folder
  }
}
