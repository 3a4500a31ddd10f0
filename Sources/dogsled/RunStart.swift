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
    let model = try options.model.map { try KerasConfiguration.model(inFile: $0) }
    if let path = options.model { try model?.checkTraining(path) }
    let named = model?.architecture
    guard let path = options.resume else {
      if let run = options.run { try RunFolder.refuseUnusable(run) }
      var values = Hyperparameters()
      values.batchesPerUpdate = workers
      hyperparameters = options.values.over(values)
      let classes = data.flatMap(DataSet.classCount) ?? 2
      architecture = try hyperparameters.regularized(try named ?? .book(classes: classes))
      if let optimizer = model?.optimizer {
        try Self.check(optimizer, options, hyperparameters.optimizer)
      }
      (resumed, checkpoint) = (nil, nil)
      self.data = data ?? ""
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
      throw Failure("\(folder.descriptionPath): not a valid run: \(error)")
    }
    let differences = options.values.over(hyperparameters).differences(
      from: hyperparameters)
    guard differences.isEmpty else {
      throw Failure(
        "\(path): this run was started with \(differences.joined(separator: ", ")): a run goes on "
          + "with its own options, so leave these out")
    }
    if let named, try hyperparameters.regularized(named) != architecture {
      throw Failure(
        "\(path): this run was started with another model than --model names: leave --model out")
    }
    self.data = data ?? description.data
    guard PictureFolder.exists(self.data) else {
      let owner = data == nil ? ", where \(path) had its pictures" : ""
      throw Failure(
        "\(self.data): no such folder\(owner): name the folder where they are now before "
          + "--resume \(path)")
    }
    resumed = (folder, description)
    let (file, damage) = try folder.checkpoint(of: description.digest)
    if let damage { log("\(damage); going on from the checkpoint before it") }
    if let file, !file.isFinite {
      throw Failure(
        "\(path): its checkpoint holds weights that are not finite: the run diverged; begin "
          + "it anew with a smaller --learning-rate")
    }
    if let position = file?.position, !hyperparameters.allow(position) {
      throw Failure(
        "\(path): its checkpoint is at a place that this run has not: it was changed; go on from "
          + "a copy of the folder, or begin anew")
    }
    checkpoint = file
    let (epochs, done) = (folder.history.records.map(\.epoch), file?.position?.epochs ?? 0)
    guard epochs == Array(0..<epochs.count).map({ $0 + 1 }), epochs.count >= done else {
      throw Failure(
        "\(folder.historyPath): does not have the epochs 1 to \(done) that the checkpoint "
          + "follows: restore the file from a copy")
    }
    if file == nil, !epochs.isEmpty { log("\(path): no checkpoint is there: it begins again") }
  }

  /// Whoever names a model that was compiled with other settings than the run's has to choose.
  private static func check(
    _ compiled: any Optimizer, _ options: TrainingOptions, _ own: any Optimizer
  ) throws {
    let path = options.model ?? ""
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
        manifest: job.manifest)
    }
    let digest = resumed.description.dataDigest
    guard digest == job.manifest.digest else {
      let changes = resumed.folder.manifest(digest).map(job.manifest.changes(since:))
      throw Failure(
        "\(data): not the pictures that the run in \(resumed.folder.path) was started with"
          + "\(changes.map { ": \($0)" } ?? ""): a run goes on with the same files")
    }
    return resumed.folder
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
