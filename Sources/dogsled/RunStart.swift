import Engine
import Foundation
import KerasFiles
import Pictures
import Primitives
import Runs
import Training

/// Where a run begins: anew, or at the checkpoint of one that goes on.
struct RunStart {
  /// The data folder.
  let data: String
  let architecture: Architecture
  let hyperparameters: Hyperparameters
  /// The weights that the run began or begins with; nil where they are drawn.
  let weights: ParameterBuffer?
  /// What `--resume` names; its folder is locked from now on.
  let resumed: (folder: RunFolder, description: RunDescription)?
  /// Nil at a run's start, also of one that ended before its first checkpoint.
  let checkpoint: ModelFile?

  /// Reads what `--model` or `--resume` name.
  ///
  /// - Parameters:
  ///   - data: the data folder; nil for that of the run that goes on.
  ///   - workers: batches of an update where neither the options nor the run say.
  /// - Throws: one clear line, before anything that takes a while.
  init(_ options: TrainingOptions, data: String?, workers: Int) throws {
    guard let path = options.resume else {
      if let run = options.run { try RunFolder.refuseUnusable(run) }
      var values = Hyperparameters()
      if workers > 1, !options.values.gives(\.batchesPerUpdate) {
        values.batchesPerUpdate = workers
        // So that as many epochs, with fewer updates, learn as much.
        values.rateScaling = .linear
      }
      let classes = data.flatMap(DataSet.classCount) ?? 2
      let start = try options.model.start(
        classes: classes, weights: options.weightsFile, options.values.over(values),
        namesOptimizer: options.values.gives(\.optimizerName))
      (architecture, weights) = (start.architecture, start.weights)
      do {
        if let own = try Augmentation(of: architecture) { values.augmentation = own }
        hyperparameters = options.values.over(values)
        try hyperparameters.validate()
      } catch {
        throw Failure("\(options.model.model.map { "\($0): " } ?? "")\(error)")
      }
      if let optimizer = start.keras?.optimizer {
        try Self.check(optimizer, options, hyperparameters.optimizer)
      }
      if let compiled = start.keras?.labelSmoothing, compiled != hyperparameters.labelSmoothing,
        !options.values.gives(\.labelSmoothing)
      {
        throw Failure(
          "\(options.model.model ?? ""): compiled with label smoothing \(compiled), where "
            + "Dogsled's default is 0: say --label-smoothing \(compiled) or --label-smoothing 0")
      }
      (resumed, checkpoint) = (nil, nil)
      self.data = data ?? ""
      return
    }
    let folder = try RunFolder.open(path)
    var description: RunDescription = try folder.description()
    guard description.dogsled == dogsledVersion else {
      throw Failure(
        "\(path): the run was begun by dogsled \(description.dogsled), and this is "
          + "\(dogsledVersion): go on with the version that began it")
    }
    let before = description.hyperparameters
    do {
      try before.validate()
      architecture = try KerasConfiguration.decode(description.model)
    } catch {
      throw Failure("\(folder.descriptionPath): not a valid run: \(error)")
    }
    var wanted = options.values.over(before)
    let epochs = wanted.epochs
    wanted.epochs = before.epochs
    let differences = wanted.differences(from: before)
    guard differences.isEmpty else {
      throw Failure(
        "\(path): this run was started with \(differences.joined(separator: ", ")): a run goes on "
          + "with its own options, so leave these out")
    }
    weights = try folder.start(description.start)
    if options.model.isGiven {
      let classes = description.classes.count
      let named = try options.model.start(
        classes: classes, weights: options.weightsFile, before, namesOptimizer: true)
      guard named.architecture == architecture, named.weights?.digest == description.start else {
        throw Failure(
          "\(path): this run was started with another model, or with other options of its layers: "
            + "a run goes on with its own, so leave these out")
      }
    }
    if epochs != before.epochs { description = try description.with(epochs, of: path) }
    hyperparameters = description.hyperparameters
    self.data = data ?? description.data
    guard PictureFolder.exists(self.data) else {
      let owner = data == nil ? ", where \(path) had its pictures" : ""
      throw Failure(
        "\(self.data): no such folder\(owner): name the folder where they are now before "
          + "--resume \(path)")
    }
    resumed = (folder, description)
    var (file, damage) = try folder.checkpoint(of: description.digests)
    if let damage { log("\(damage); going on from the checkpoint before it") }
    if let file, !file.isFinite {
      throw Failure(
        "\(path): its checkpoint holds weights that are not finite: the run diverged; begin "
          + "it anew with a smaller --learning-rate")
    }
    if let position = file?.position, epochs != before.epochs {
      try position.allow(epochs: epochs, of: path)
    }
    if let position = file?.position, !hyperparameters.allow(position) {
      throw Failure(
        "\(path): its checkpoint is at a place that this run has not: it was changed; go on from "
          + "a copy of the folder, or begin anew")
    }
    let (rows, done) = (folder.history.records.map(\.epoch), file?.position?.epochs ?? 0)
    guard rows == Array(0..<rows.count).map({ $0 + 1 }), rows.count >= done else {
      throw Failure(
        "\(folder.historyPath): does not have the epochs 1 to \(done) that the checkpoint "
          + "follows: restore the file from a copy")
    }
    if let best = file?.position?.best, try !folder.restoreBest(best) {
      log(
        "\(path)/best.h5: not the best model so far, which was epoch \(best.epoch)'s: it is "
          + "missing or was changed; the best of the epochs that follow is kept")
      file?.position?.best = nil
    }
    if file == nil { _ = try folder.restoreBest(nil) }
    checkpoint = file
    if file == nil, !rows.isEmpty { log("\(path): no checkpoint is there: it begins again") }
  }

  /// Whoever names a model that was compiled with other settings than the run's has to choose.
  private static func check(
    _ compiled: any Optimizer, _ options: TrainingOptions, _ own: any Optimizer
  ) throws {
    let path = options.model.model ?? ""
    let names = (OptimizerName(type(of: compiled)), OptimizerName(type(of: own)))
    guard names.0 == names.1 else {
      // Whoever named another optimizer wants none of the model's settings.
      if options.values.gives(\.optimizerName) { return }
      throw Failure(
        "\(path): compiled with \(names.0), where Dogsled's default is \(names.1): say "
          + "--optimizer \(names.0) or --optimizer \(names.1)")
    }
    for (setting, own) in zip(compiled.settingTexts, own.settingTexts) where setting != own {
      guard !options.values.gives(setting.entry.value) else { continue }
      throw Failure(
        "\(path): compiled with \(setting.entry.name) \(setting.text), where Dogsled's default is "
          + "\(own.text): say \(setting.option) or \(own.option)")
    }
  }

  /// Makes the run's folder, or takes the one of the run that goes on.
  /// - Throws: where it cannot be made, or the run was begun with other pictures than `job`'s.
  func folder(_ options: TrainingOptions, for job: TrainingJob) throws -> RunFolder {
    guard let resumed else {
      // Whoever goes on with the run may do so from another folder.
      let place = data.hasPrefix("/") ? data : FileManager.default.currentDirectoryPath + "/" + data
      return try RunFolder.create(
        options.run ?? RunFolder.makeDefault(), description: RunDescription(job, data: place),
        manifest: job.manifest,
        start: weights.map {
          ModelFile(architecture: architecture, state: ModelState(weights: $0))
        })
    }
    let digest = resumed.description.dataDigest
    guard digest == job.manifest.digest else {
      let changes = resumed.folder.manifest(digest).map(job.manifest.changes(since:))
      throw Failure(
        "\(data): not the pictures that the run in \(resumed.folder.path) was started with"
          + "\(changes.map { ": \($0)" } ?? ""): a run goes on with the same files")
    }
    let (folder, description) = resumed
    if try folder.description(as: RunDescription.self) != description {
      try folder.replaceDescription(description)
    }
    // It has none until its end, which may have become another.
    if checkpoint?.position?.epochs ?? 0 < hyperparameters.epochs { try folder.removeModel() }
    return folder
  }
}

/// A setting of an optimizer that has an option.
private struct SettingText: Equatable {
  let entry: Hyperparameter
  let text: String
  /// What to say for this value.
  let option: String

  static func == (a: Self, b: Self) -> Bool { a.option == b.option }
}

extension Optimizer {
  /// Its settings that have options.
  fileprivate var settingTexts: [SettingText] {
    let flags = Self.flags
    return values.compactMap { name, value in
      guard let entry = Hyperparameters.entry(kerasName: name), entry.help != nil else {
        return nil
      }
      guard flags.contains(name) else {
        return SettingText(entry: entry, text: "\(value)", option: "--\(entry.name) \(value)")
      }
      return SettingText(
        entry: entry, text: value == 0 ? "off" : "on",
        option: value == 0 ? "--no-\(entry.name)" : "--\(entry.name)")
    }
  }
}

extension RunPosition {
  /// Whether a run that has come so far can have another number of epochs.
  /// - Parameter path: its folder, for what is said.
  /// - Throws: `Failure` where it has more already, or ended early.
  fileprivate func allow(epochs wanted: Int, of path: String) throws {
    let begun = epochs + (steps > 0 ? 1 : 0)
    guard wanted >= begun else {
      throw Failure(
        "\(path): its checkpoint is in epoch \(begun): --epochs must be at least \(begun), not "
          + "\(wanted)")
    }
    guard progress?.isOver != true else {
      throw Failure(
        "\(path): --early-stopping ended this run after epoch \(epochs): more epochs would add "
          + "none; begin a new one")
    }
  }
}

extension RunDescription {
  /// The run with another number of epochs.
  /// - Parameter path: its folder, for what is said.
  /// - Throws: `Failure` where something that decides the weights depends on that number.
  fileprivate func with(_ epochs: Int, of path: String) throws -> RunDescription {
    let before = hyperparameters.epochs
    guard hyperparameters.rateSchedule != .cosine else {
      throw Failure(
        "\(path): --schedule cosine brings the learning rate to zero at epoch \(before), so this "
          + "run cannot have \(epochs) epochs: begin a new one")
    }
    let changed = with(epochs: epochs)
    do {
      try changed.hyperparameters.validate()
    } catch {
      throw Failure("\(path): \(error)")
    }
    return changed
  }
}
