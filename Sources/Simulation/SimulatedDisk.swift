import KerasFiles
import Runs
import Synchronization

/// A disk that outlives the coordinators of a run: what was not synced when one is killed is lost.
final class SimulatedDisk: RunStore {
  private struct Full: Error, CustomStringConvertible {
    let description = "no space left on the simulated disk"
  }

  /// A checkpoint names a best model that is gone: the run fails, where a real one would go on
  /// without it.
  private struct BestIsLost: Error, CustomStringConvertible {
    let description = "the best model that the checkpoint names is not there"
  }

  private struct State {
    var history = History()
    var checkpoint: ModelFile?
    var model: ModelFile?
    /// The best models by epoch, and which of them a checkpoint names.
    var bests: [Int: ModelFile] = [:]
    var needed = NeededBests()
    var isFull = false
    /// A checkpoint that is being written beside the training.
    var unsynced: ModelFile?
    var events = 0

    /// What is being written is on the disk now.
    mutating func sync() {
      guard let written = unsynced else { return }
      checkpoint = written
      unsynced = nil
      needed.wrote(checkpointWith: written.position?.best)
      removeOtherBests()
    }

    /// Removes the models that no checkpoint names, but the newest.
    mutating func removeOtherBests() {
      let newest = bests.keys.max()
      bests = bests.filter { $0.key == newest || needed.needs($0.key) }
    }

    /// Goes back to what the checkpoint names; false where that is not there.
    mutating func restoreBest() -> Bool {
      needed.wentBack()
      let best = checkpoint?.position?.best
      bests = bests.filter { $0.key <= best?.epoch ?? 0 }
      return best == nil ? bests.isEmpty : bests[best?.epoch ?? 0]?.best == best
    }
  }

  private let state = Mutex(State())
  /// Called before anything is written; false where the process has ended before it.
  private let writes: @Sendable () -> Bool

  private let syncsAtOnce: Bool

  init(syncsAtOnce: Bool = true, writes: @escaping @Sendable () -> Bool = { true }) {
    self.syncsAtOnce = syncsAtOnce
    self.writes = writes
  }

  /// Whether a checkpoint is not on the disk yet.
  var isWriting: Bool { state.withLock { $0.unsynced != nil } }

  var history: History { state.withLock { $0.history } }
  var model: ModelFile? { state.withLock { $0.model } }
  var isFull: Bool {
    get { state.withLock { $0.isFull } }
    set { state.withLock { $0.isFull = newValue } }
  }

  func record(_ event: Event) { state.withLock { $0.events += 1 } }

  func append(_ record: EpochRecord) throws {
    guard writes() else { return }
    try state.withLock { state in
      if state.isFull { throw Full() }
      state.history.records.removeAll { $0.epoch >= record.epoch }
      state.history.records.append(record)
    }
  }

  func writeCheckpoint(_ model: ModelFile) throws {
    guard writes() else { return }
    let copy = Self.copy(model)
    try state.withLock { state in
      if state.isFull { throw Full() }
      state.sync()
      state.unsynced = copy
    }
    if syncsAtOnce { sync() }
  }

  func writeBest(_ model: ModelFile) throws {
    guard writes() else { return }
    let copy = Self.copy(model)
    try state.withLock { state in
      if state.isFull { throw Full() }
      if let epoch = copy.best?.epoch { state.bests[epoch] = copy }
      state.removeOtherBests()
    }
  }

  func rollBack(before updates: Int) throws -> ModelFile? {
    guard writes() else { return checkpoint() }
    try state.withLock { state in
      if let newest = state.checkpoint?.position?.updates, newest > updates {
        state.checkpoint = nil
      }
      state.unsynced = nil
      guard state.restoreBest() else { throw BestIsLost() }
      let epochs = state.checkpoint?.position?.epochs ?? 0
      state.history.records.removeAll { $0.epoch > epochs }
    }
    return checkpoint()
  }

  func writeModel(_ model: ModelFile) throws {
    guard writes() else { return }
    let copy = Self.copy(model)
    try state.withLock { state in
      if state.isFull { throw Full() }
      state.model = copy
    }
  }

  func drawCurves() throws {}

  /// What is being written is on the disk now.
  func sync() { state.withLock { $0.sync() } }

  /// The process that wrote was killed.
  func crash() { state.withLock { $0.unsynced = nil } }

  /// The best model, as the checkpoint from which a coordinator starts names it.
  /// - Returns: false where the checkpoint names one that is not there.
  func restoreBest() -> Bool { state.withLock { $0.restoreBest() } }

  /// The model of the best epoch.
  var best: ModelFile? {
    state.withLock { state in state.bests.keys.max().flatMap { state.bests[$0] } }
  }

  /// The newest checkpoint, the caller's own.
  func checkpoint() -> ModelFile? { state.withLock { $0.checkpoint }.map(Self.copy) }

  private static func copy(_ file: ModelFile) -> ModelFile {
    var copy = file
    copy.state = file.state.copy()
    return copy
  }
}
