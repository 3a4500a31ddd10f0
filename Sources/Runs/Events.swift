// What happens in a run, one JSON object a line: events.jsonl.

import Foundation
import Primitives

/// Something that happened in a run: a line of `events.jsonl`.
///
/// A field that says nothing about an event is left out of its line.
public struct Event: Hashable, Sendable, Encodable {
  /// What happened.
  public enum Kind: String, Hashable, Sendable, Encodable, CaseIterable {
    /// The run began.
    case started
    /// The run goes on from a checkpoint.
    case resumed
    /// Nobody computes and the coordinator waits for workers, or it waits for the answer of one.
    case waiting
    /// A worker joined; `name` and `address` say which.
    case joined
    /// A worker was turned away; `reason` says why.
    case refused
    /// A worker's connection ended or its heartbeat was late; `reason` says which, `doing` what it
    /// was doing.
    case lost
    /// The process of a local worker ended; `reason` says how.
    case exited
    /// A lost or slow worker's step was given to another.
    case reassigned
    /// A worker gets updates from another worker from now on.
    case linked
    /// A worker makes errors: the run rolled back to the weights after `updates`.
    case rollback
    /// An epoch ended.
    case epoch
    /// An epoch did better than all before it, and its weights were written.
    case best
    /// A checkpoint was written.
    case checkpoint
    /// A file could not be written or a message not be understood; the run goes on.
    case failure
    /// A signal asked for the end: the run stops after a checkpoint.
    case interrupted
    /// The run is over and the model is written.
    case finished
  }

  /// When, in UTC.
  public var time: Date
  /// What happened.
  public var kind: Kind
  /// The worker concerned, by number.
  public var worker: Int?
  /// The worker's machine and process.
  public var name: String?
  /// Where the worker connected from.
  public var address: String?
  /// What a lost worker was doing.
  public var doing: String?
  /// Counted from 1.
  public var epoch: Int?
  /// The global step, counted from 0.
  public var step: Int?
  /// Updates applied so far.
  public var updates: Int?
  /// Why, in one line.
  public var reason: String?
  /// The digest of the weights.
  public var digest: String?

  /// An event of `kind`, now.
  public init(
    _ kind: Kind, worker: Int? = nil, name: String? = nil, address: String? = nil,
    doing: String? = nil, epoch: Int? = nil, step: Int? = nil, updates: Int? = nil,
    reason: String? = nil, digest: String? = nil,
    time: Date = Date()
  ) {
    self.time = time
    self.kind = kind
    self.worker = worker
    self.name = name
    self.address = address
    self.doing = doing
    self.epoch = epoch
    self.step = step
    self.updates = updates
    self.reason = reason
    self.digest = digest
  }
}

extension Event {
  /// The line of `events.jsonl`, with its end; the time as `2026-01-31T23:59:59.123Z`.
  /// - Throws: what `JSONEncoder` throws.
  func line() throws -> Data {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    encoder.dateEncodingStrategy = .custom { date, encoder in
      var container = encoder.singleValueContainer()
      let style = Date.ISO8601FormatStyle(includingFractionalSeconds: true)
      try container.encode(date.formatted(style))
    }
    return try encoder.encode(self) + Data("\n".utf8)
  }
}
