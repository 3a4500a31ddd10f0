// The folder of one run: run.json, history.csv, events.jsonl, checkpoint.h5, model.h5 and curves.

import Foundation
import Synchronization

/// A run folder that cannot be made, read or written; `description` says which file and why.
public struct RunFolderError: Error, CustomStringConvertible {
  /// One line for the user.
  public let description: String
  /// An error that says `description`.
  public init(_ description: String) { self.description = description }
}

/// The folder of one run, locked against a second process for as long as this object lives.
///
/// Thread-safe.
public final class RunFolder: Sendable {
  /// The folder, as it was given.
  public let path: String
  /// All that decides the weights, and versions.
  public var descriptionPath: String { path + "/run.json" }
  /// One row an epoch.
  public var historyPath: String { path + "/history.csv" }
  /// One JSON object a line.
  public var eventsPath: String { path + "/events.jsonl" }
  /// The newest checkpoint.
  public var checkpointPath: String { path + "/checkpoint.h5" }
  /// The trained model.
  public var modelPath: String { path + "/model.h5" }

  private struct State {
    var lock: Int32
    var events: Int32
    var history: History
  }
  private let state: Mutex<State>

  private init(path: String, lock: Int32, events: Int32, history: History) {
    self.path = path
    state = Mutex(State(lock: lock, events: events, history: history))
  }

  /// `runs/2026-01-31-235959`, by the local clock: where a run goes that was given no folder.
  public static func defaultPath(now: Date = Date()) -> String { "" }

  /// Makes the folder and writes `run.json`.
  /// - Parameter description: all that decides the weights, and versions.
  /// - Throws: `RunFolderError` where the folder holds a run already, is in use, or cannot be
  ///   written.
  public static func create(
    _ path: String, description: some Encodable
  ) throws -> RunFolder { throw RunFolderError("not yet") }

  /// Opens the folder of a run that is to go on.
  /// - Throws: `RunFolderError` where there is no run, or another process has it.
  public static func open(_ path: String) throws -> RunFolder { throw RunFolderError("not yet") }

  /// What `run.json` says.
  /// - Throws: `RunFolderError` where it cannot be read as a `Description`.
  public func description<Description: Decodable>(
    as type: Description.Type = Description.self
  ) throws -> Description { throw RunFolderError("not yet") }

  /// The epochs so far.
  public var history: History { state.withLock { $0.history } }

  /// Appends an epoch to `history.csv`; an epoch that it has already, and all after it, are
  /// replaced (a resumed run repeats what came after its checkpoint).
  /// - Throws: `RunFolderError` where the file cannot be written.
  public func append(_ record: EpochRecord) throws {}

  /// Appends a line to `events.jsonl`. A full disk loses the line, not the run.
  public func record(_ event: Event) {}

  /// Replaces `checkpoint.h5`; the old one stays where the write fails.
  /// - Throws: `ModelFileError`.
  public func writeCheckpoint(_ model: ModelFile) throws {}

  /// Replaces `model.h5`; the old one stays where the write fails.
  /// - Throws: `ModelFileError`.
  public func writeModel(_ model: ModelFile) throws {}

  /// Draws `curves.svg` and `curves.png` of the history.
  /// - Throws: `RunFolderError` where they cannot be written.
  public func drawCurves() throws {}

  /// Where worker `number`'s log goes.
  public func logPath(worker number: Int) -> String { path + "/worker-\(number).log" }

  static func text(of path: String) throws -> String { throw RunFolderError("not yet") }
}
