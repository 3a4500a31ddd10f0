import KerasFiles
import Runs
import Synchronization

/// A disk that outlives the coordinators of a run: what was not synced when one is killed is lost.
final class SimulatedDisk: RunStore {
  private struct Full: Error, CustomStringConvertible {
    let description = "no space left on the simulated disk"
  }

  private struct State {
    var history = History()
    var checkpoint: ModelFile?
    var model: ModelFile?
    var isFull = false
    /// A checkpoint that is being written beside the training.
    var unsynced: ModelFile?
    var events = 0
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
      state.checkpoint = state.unsynced ?? state.checkpoint
      state.unsynced = copy
    }
    if syncsAtOnce { sync() }
  }

  func rollBack(before updates: Int) throws -> ModelFile? {
    guard writes() else { return checkpoint() }
    state.withLock { state in
      if let newest = state.checkpoint?.position?.updates, newest > updates {
        state.checkpoint = nil
      }
      state.unsynced = nil
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
  func sync() {
    state.withLock { state in
      state.checkpoint = state.unsynced ?? state.checkpoint
      state.unsynced = nil
    }
  }

  /// The process that wrote was killed.
  func crash() { state.withLock { $0.unsynced = nil } }

  /// The newest checkpoint, the caller's own.
  func checkpoint() -> ModelFile? { state.withLock { $0.checkpoint }.map(Self.copy) }

  private static func copy(_ file: ModelFile) -> ModelFile {
    var copy = file
    copy.state = file.state.copy()
    return copy
  }
}
