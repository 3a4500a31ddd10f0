// The folder of one run: run.json, history.csv, events.jsonl, checkpoint.h5, model.h5 and curves.

import Engine
import Foundation
import KerasFiles
import Pictures
import Primitives
import Synchronization

/// The folder of one run, locked against a second process for as long as this object lives.
///
/// Thread-safe.
public final class RunFolder: Sendable {
  /// The folder, as it was given.
  public let path: String
  /// All that decides the weights, and versions.
  public var descriptionPath: String { path + "/run.json" }
  /// The digest of each picture of the run, so that a run that goes on can say which has changed.
  private var picturesPath: String { path + "/pictures.json" }
  /// The names of the classes in the order of the model's outputs, one a line.
  private var classesPath: String { path + "/classes.txt" }
  /// One row an epoch.
  public var historyPath: String { path + "/history.csv" }
  /// One JSON object a line.
  public var eventsPath: String { Self.eventsPath(path) }
  private static func eventsPath(_ path: String) -> String { path + "/events.jsonl" }
  /// The newest checkpoint.
  public var checkpointPath: String { path + "/checkpoint.h5" }
  /// The checkpoint before.
  public var previousCheckpointPath: String { path + "/checkpoint-previous.h5" }
  /// There while the run rolls back: the update before which it does.
  private var rollbackPath: String { path + "/rollback" }
  /// The weights that the run began with, where they were not drawn.
  public var startPath: String { path + "/start.h5" }
  /// The trained model.
  public var modelPath: String { path + "/model.h5" }

  /// `events.jsonl`, open for appending; the lock of the folder is on it.
  private let events: Int32
  private let epochs = Mutex(History())
  private let bests: Mutex<BestFiles>

  /// Opens and locks `events.jsonl` in `path`; refuses a folder with links where a run has files.
  private init(path: String) throws {
    self.path = path
    bests = Mutex(BestFiles(in: path))
    let file = Self.eventsPath(path)
    do {
      try Self.refuseOther(path)
    } catch {
      events = -1
      throw error
    }
    events = Foundation.open(
      file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW, 0o644)
    guard events >= 0 else { throw PlainFiles.failure(file, "cannot be written") }
    // A file system without locks gives another error than this: go on without.
    if flock(events, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK {
      throw FileError(
        "\(path): in use: another process is training into this folder", mayPass: true)
    }
  }

  deinit { if events >= 0 { close(events) } }

  /// Makes a folder for a run that was given none: `runs/2026-01-31-235959` by the local clock, and
  /// `runs/2026-01-31-235959-2` and so on for those that begin in the same second.
  ///
  /// - Returns: its path, which no other process was given.
  /// - Throws: `FileError` where none can be made.
  public static func makeDefault(in parent: String = "runs", now: Date = Date()) throws -> String {
    let time = Calendar.current.dateComponents(
      [.year, .month, .day, .hour, .minute, .second], from: now)
    let name = String(
      format: "%04d-%02d-%02d-%02d%02d%02d", time.year ?? 0, time.month ?? 0, time.day ?? 0,
      time.hour ?? 0, time.minute ?? 0, time.second ?? 0)
    if mkdir(parent, 0o777) != 0, errno != EEXIST {
      throw PlainFiles.failure(parent, "the folder of the runs cannot be made")
    }
    for number in 1...1000 {
      let path = "\(parent)/\(name)" + (number == 1 ? "" : "-\(number)")
      if mkdir(path, 0o777) == 0 { return path }
      guard errno == EEXIST else {
        throw PlainFiles.failure(path, "the run folder cannot be made")
      }
    }
    throw FileError("\(parent)/\(name): a thousand runs began in this second: use --run")
  }

  /// Refuses a folder that holds a run or cannot be made; makes nothing.
  /// - Throws: `FileError` naming what is in the way.
  public static func refuseUnusable(_ path: String) throws {
    var place = path
    var status = stat()
    while stat(place, &status) != 0, place != ".", place != "/" {
      place = FilePath.parent(of: place)
    }
    guard stat(place, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else {
      throw FileError("\(path): cannot be a run folder: \(place) is a file")
    }
    guard access(place, W_OK | X_OK) == 0 else {
      throw PlainFiles.failure(path, "the run folder cannot be made")
    }
    // One that another process is training into says so.
    if PlainFiles.exists(eventsPath(path)) { _ = try RunFolder(path: path) }
    try refuseOther(path)
    try refuseUsed(path)
  }

  /// Refuses a folder that has anything but a plain file where a run has one.
  private static func refuseOther(_ path: String) throws {
    for file in [
      "run.json", "history.csv", "events.jsonl", "checkpoint.h5", "checkpoint-previous.h5",
      "model.h5", "best.h5", "curves.svg", "curves.png", "pictures.json", "classes.txt", "rollback",
      "start.h5", "key", "token",
    ] {
      try PlainFiles.refuseOther("\(path)/\(file)")
      try PlainFiles.refuseOther("\(path)/\(file).partial")
    }
  }

  private static func refuseUsed(_ path: String) throws {
    for file in [
      "run.json", "history.csv", "checkpoint.h5", "checkpoint-previous.h5", "model.h5", "best.h5",
      "start.h5",
    ]
    where PlainFiles.exists("\(path)/\(file)") {
      throw FileError(
        "\(path): holds a run already (\(file)): name another folder, or remove this one")
    }
  }

  /// Makes the folder and writes `run.json`, `pictures.json` and `classes.txt`.
  /// - Parameters:
  ///   - description: all that decides the weights, and versions.
  ///   - manifest: which pictures the run is trained on.
  ///   - start: the weights that it begins with, where they are not drawn.
  /// - Throws: `FileError` where the folder holds a run already, is in use, or cannot be
  ///   written.
  public static func create(
    _ path: String, description: some Encodable, manifest: Manifest? = nil,
    start: ModelFile? = nil
  ) throws -> RunFolder {
    do {
      try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    } catch {
      throw FileError("\(path): the run folder cannot be made: \(reason(error))")
    }
    let folder = try RunFolder(path: path)
    try refuseUsed(path)
    do {
      if let manifest { try folder.write(manifest: manifest) }
      try start?.write(to: folder.startPath)
      try folder.write(description)
      try PlainFiles.replace(folder.historyPath, with: Data(History().csv.utf8))
    } catch {
      unlink(folder.descriptionPath)
      unlink(folder.startPath)
      throw error
    }
    return folder
  }

  /// Opens the folder of a run that is to go on.
  /// - Throws: `FileError` where there is no run, or another process has it.
  public static func open(_ path: String) throws -> RunFolder {
    guard PlainFiles.exists(path + "/run.json") else {
      throw FileError("\(path): holds no run: there is no run.json in it")
    }
    let folder = try RunFolder(path: path)
    // A run that was killed as it began has none yet.
    if PlainFiles.exists(folder.historyPath) {
      let history = try History(reading: folder.historyPath)
      folder.epochs.withLock { $0 = history }
    }
    try folder.finishRollback()
    return folder
  }

  private func write(_ description: some Encodable) throws {
    let encoder = JSONEncoder.anyNumbers
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    let json = try encoder.encode(description) + Data("\n".utf8)
    try PlainFiles.replace(descriptionPath, with: json)
  }

  /// Replaces `run.json`: the run gets another number of epochs.
  /// - Throws: `FileError`; the old one stays.
  public func replaceDescription(_ description: RunDescription) throws { try write(description) }

  /// Removes the trained model of a run that goes on: it has none until its end.
  /// - Throws: `FileError`.
  public func removeModel() throws {
    guard unlink(modelPath) == 0 || errno == ENOENT else {
      throw PlainFiles.failure(modelPath, "cannot be removed")
    }
  }

  private func write(manifest: Manifest) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    try PlainFiles.replace(picturesPath, with: encoder.encode(manifest))
    let names = manifest.classes.map { $0 + "\n" }.joined()
    try PlainFiles.replace(classesPath, with: Data(names.utf8))
  }

  /// Which pictures the run was begun with; nil where the folder does not say.
  /// - Parameter digest: of that manifest; another one is not taken.
  public func manifest(_ digest: Digest) -> Manifest? {
    guard let json = try? PlainFiles.text(of: picturesPath),
      let manifest = try? JSONDecoder().decode(Manifest.self, from: Data(json.utf8)),
      manifest.digest == digest
    else { return nil }
    return manifest
  }

  /// What `run.json` says.
  /// - Throws: `FileError` where it cannot be read as a `Description`.
  public func description<Description: Decodable>(
    as type: Description.Type = Description.self
  ) throws -> Description {
    let json = try PlainFiles.text(of: descriptionPath)
    do {
      return try JSONDecoder().decode(type, from: Data(json.utf8))
    } catch {
      throw FileError(
        "\(descriptionPath): not the description of a run: it is damaged, or of another version")
    }
  }

  /// The newest checkpoint that can be read; nil where the run ended before its first.
  /// - Returns: what is wrong with the newest too, where it is the one before.
  /// - Parameter jobs: of the run's description, one of which the checkpoint must name.
  /// - Throws: `ModelFileError` where none can be read, or it is of another run.
  public func checkpoint(
    of jobs: [Digest]
  ) throws -> (file: ModelFile?, damage: String?) {
    let paths = [checkpointPath, previousCheckpointPath].filter(PlainFiles.exists)
    guard let newest = paths.first else { return (nil, nil) }
    let file: ModelFile
    var damage: String?
    do {
      file = try ModelFile(reading: newest, asCheckpoint: true)
    } catch let error as MemoryError {
      throw error
    } catch {
      guard paths.count > 1,
        let previous = try? ModelFile(reading: paths[1], asCheckpoint: true)
      else { throw error }
      file = previous
      damage = "\(error)"
    }
    guard file.isCheckpoint, let run = file.position?.run, jobs.contains(run) else {
      throw ModelFileError(
        "\(path): its checkpoint is not of the run that run.json describes: one of them was "
          + "changed, or comes from another run")
    }
    return (file, damage)
  }

  /// The weights that the run began with; nil where they were drawn.
  /// - Parameter digest: theirs, as `run.json` has it.
  /// - Throws: `ModelFileError` where they are not there any more.
  public func start(_ digest: Digest?) throws -> ParameterBuffer? {
    guard let digest else { return nil }
    let weights = try ModelFile(reading: startPath).state.weights
    guard weights.digest == digest else {
      throw ModelFileError("\(startPath): not the weights that the run began with: it was changed")
    }
    return weights
  }

  /// The epochs so far.
  public var history: History { epochs.withLock { $0 } }

  /// Adds an epoch to `history.csv`; an epoch that it has already, and all after it, are replaced
  /// (a resumed run repeats what came after its checkpoint).
  /// - Throws: `FileError` where the file cannot be written.
  public func append(_ record: EpochRecord) throws {
    try epochs.withLock { history in
      history.records.removeAll { $0.epoch >= record.epoch }
      history.records.append(record)
      try PlainFiles.replace(historyPath, with: Data(history.csv.utf8))
    }
  }

  /// Appends a line to `events.jsonl`.
  ///
  /// One write a line, so that lines of several threads never mix. A full disk loses the line,
  /// not the run.
  public func record(_ event: Event) {
    guard let line = try? event.line() else { return }
    _ = PlainFiles.writeAll(line, to: events)
  }

  /// Replaces `checkpoint.h5`, and keeps the one before; both stay where the write fails.
  /// - Throws: `ModelFileError`.
  public func writeCheckpoint(_ model: ModelFile) throws {
    try model.write(to: checkpointPath, keeping: previousCheckpointPath)
    bests.withLock { $0.wrote(model) }
  }

  /// The epoch whose weights `best.h5` holds; nil where there is none.
  public var best: BestEpoch? { bests.withLock { $0.newest } }

  /// Replaces `best.h5`; the one before stays, as `best-7.h5`, until no checkpoint names it.
  /// - Throws: `ModelFileError` or `FileError`; `best.h5` stays.
  public func writeBest(_ model: ModelFile) throws { try bests.withLock { try $0.write(model) } }

  /// Makes `best.h5` the one that the checkpoint names from which the run goes on.
  /// - Parameter best: nil at the run's start: there is none.
  /// - Returns: whether it is there and whole.
  /// - Throws: `FileError`.
  public func restoreBest(_ best: BestEpoch?) throws -> Bool {
    try bests.withLock { try $0.restore(best) }
  }

  /// Removes the checkpoints after more than `updates`, and the epochs after the newest that is
  /// left.
  ///
  /// - Returns: that one, with the optimizer's slots; nil where there is none.
  /// - Throws: `FileError`.
  public func rollBack(before updates: Int) throws -> ModelFile? {
    // First the intention: who is killed on the way goes on with it when the folder is opened.
    try PlainFiles.replace(rollbackPath, with: Data("\(updates)\n".utf8))
    let newest = try forget(after: updates)
    unlink(rollbackPath)
    return newest
  }

  /// Goes on with a rollback on whose way the process was killed.
  private func finishRollback() throws {
    guard PlainFiles.exists(rollbackPath) else { return }
    let text = try PlainFiles.text(of: rollbackPath).trimmingCharacters(
      in: .whitespacesAndNewlines)
    guard let updates = Int(text) else {
      throw FileError("\(rollbackPath): not the number of an update: it was changed")
    }
    _ = try rollBack(before: updates)
  }

  private func forget(after updates: Int) throws -> ModelFile? {
    // What is damaged, or later, is removed; what cannot be read now, for want of memory or of
    // descriptors, stays.
    func early(_ path: String) throws -> ModelFile? {
      guard PlainFiles.exists(path) else { return nil }
      do {
        _ = try PlainFile(path)
      } catch {
        throw FileError("\(error)", mayPass: true)
      }
      let file: ModelFile
      do {
        file = try ModelFile(reading: path, asCheckpoint: true)
      } catch is ModelFileError {
        return nil
      }
      guard let position = file.position, position.updates <= updates else { return nil }
      return file.isCheckpoint ? file : nil
    }
    var newest = try early(checkpointPath)
    if newest == nil {
      newest = try early(previousCheckpointPath)
      let wasMoved = newest != nil && rename(previousCheckpointPath, checkpointPath) == 0
      for path in [previousCheckpointPath, checkpointPath] where !wasMoved {
        guard unlink(path) == 0 || errno == ENOENT else {
          throw PlainFiles.failure(path, "cannot be removed")
        }
        newest = nil
      }
    }
    if try !restoreBest(newest?.position?.best) { newest?.position?.best = nil }
    let epochs = newest?.position?.epochs ?? 0
    try self.epochs.withLock { history in
      history.records.removeAll { $0.epoch > epochs }
      try PlainFiles.replace(historyPath, with: Data(history.csv.utf8))
    }
    return newest
  }

  /// Replaces `model.h5`; the old one stays where the write fails.
  /// - Throws: `ModelFileError`.
  public func writeModel(_ model: ModelFile) throws {
    try model.write(to: modelPath)
    bests.withLock { $0.finish() }
  }

  /// Draws `curves.svg` and `curves.png` of the history.
  /// - Throws: `FileError` where they cannot be written.
  public func drawCurves() throws {
    let curves = Curves([(name: URL(fileURLWithPath: path).lastPathComponent, history: history)])
    try curves.write(to: path + "/curves.svg")
    try curves.write(to: path + "/curves.png")
  }
}
