// best.h5, the weights of the best epoch, and the earlier ones that a run may have to go back to.

import Engine
import Foundation
import KerasFiles
import Primitives

/// Which epochs' best models a run may need again: those that its two checkpoints name.
package struct NeededBests: Hashable, Sendable {
  /// What the checkpoints that this process wrote name, the newest last.
  private var named: [Int?] = []

  /// Of a process that has written none yet: it does not know what the earlier ones name.
  package init() {}

  /// A checkpoint is on the disk, and the one before the last is gone.
  package mutating func wrote(checkpointWith best: BestEpoch?) {
    named = named.suffix(1) + [best?.epoch]
  }

  /// The run went back: the checkpoints are others now.
  package mutating func wentBack() { named = [] }

  /// Whether the model of an epoch must stay.
  package func needs(_ epoch: Int) -> Bool { named.count < 2 ? true : named.contains(epoch) }
}

/// `best.h5` of a run folder, and `best-7.h5` while a rollback may lead back to epoch 7.
struct BestFiles: Sendable {
  private let folder: String
  private var needed = NeededBests()
  /// What `best.h5` holds; nil where there is none.
  private(set) var newest: BestEpoch?

  /// The files of the run folder at `path`, which has none, or is made to say which by `restore`.
  init(in path: String) { folder = path }

  private var path: String { folder + "/best.h5" }
  private func path(_ epoch: Int) -> String { "\(folder)/best-\(epoch).h5" }

  /// Replaces `best.h5`; the one before has a name of its own afterwards.
  ///
  /// At every moment both are whole files.
  /// - Throws: where one of them cannot be written; `best.h5` stays.
  mutating func write(_ model: ModelFile) throws {
    if let newest { try keep(path(newest.epoch)) }
    try model.write(to: path)
    newest = model.best
    removeOthers()
  }

  /// Gives what `best.h5` holds a second name: as a link, or as a copy where there are no links.
  private func keep(_ name: String) throws {
    try PlainFiles.refuseOther(name)
    unlink(name)
    if link(path, name) == 0 { return }
    let file = try PlainFile(path, followingLinks: false)
    try PlainFiles.replace(name, with: Data(file.bytes(at: 0, count: file.size)))
  }

  /// A checkpoint is on the disk.
  mutating func wrote(_ checkpoint: ModelFile) {
    needed.wrote(checkpointWith: checkpoint.position?.best)
    removeOthers()
  }

  /// The run is over: nothing leads back any more.
  func finish() { for epoch in epochs() { unlink(path(epoch)) } }

  /// Makes `best.h5` the model of the epoch that a checkpoint names, and removes later ones.
  /// - Returns: whether it is there; without it the next epoch is taken for the best.
  /// - Throws: `FileError` where a file cannot be moved.
  mutating func restore(_ best: BestEpoch?) throws -> Bool {
    needed.wentBack()
    newest = nil
    for epoch in epochs() where epoch > best?.epoch ?? 0 { unlink(path(epoch)) }
    guard let best else {
      guard unlink(path) == 0 || errno == ENOENT else {
        throw PlainFiles.failure(path, "cannot be removed")
      }
      return true
    }
    if Self.holds(best, path) {
      newest = best
      return true
    }
    guard Self.holds(best, path(best.epoch)) else { return false }
    guard rename(path(best.epoch), path) == 0 else {
      throw PlainFiles.failure(path, "cannot be replaced")
    }
    newest = best
    return true
  }

  private static func holds(_ best: BestEpoch, _ path: String) -> Bool {
    guard let file = try? ModelFile(reading: path, asCheckpoint: true) else { return false }
    return file.best == best && file.state.digest == best.digest
  }

  /// Removes those that no checkpoint names.
  private func removeOthers() {
    for epoch in epochs() where !needed.needs(epoch) { unlink(path(epoch)) }
  }

  /// The epochs that have a file of their own.
  private func epochs() -> [Int] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    return names.compactMap { name in
      guard name.hasPrefix("best-"), name.hasSuffix(".h5") else { return nil }
      return Int(name.dropFirst(5).dropLast(3))
    }
  }
}
