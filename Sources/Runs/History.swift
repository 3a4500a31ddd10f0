// What an epoch came to, and the table of all epochs: history.csv.

import Foundation
import Primitives

/// What one epoch came to: a row of `history.csv`.
public struct EpochRecord: Hashable, Sendable, Codable {
  /// Counted from 1.
  public var epoch: Int
  /// Mean training loss over the epoch's pictures.
  public var loss: Double
  /// Training accuracy, 0 to 1.
  public var accuracy: Double
  /// Mean validation loss; nan where the run has no validation steps.
  public var validationLoss: Double
  /// Validation accuracy, 0 to 1; nan where the run has no validation steps.
  public var validationAccuracy: Double
  /// Wall time of the epoch, validation included.
  public var seconds: Double
  /// Training pictures a second of training time.
  public var picturesPerSecond: Double
  /// Bytes from the workers in this epoch; 0 in one process.
  public var bytesReceived: Int
  /// Bytes to the workers in this epoch; 0 in one process.
  public var bytesSent: Int
  /// Seconds of training that the coordinator waited for gradients.
  public var gradientsAwaited: Double
  /// Seconds of training that a worker waited for weights and work, in the mean; 0 in one process.
  public var weightsAwaited: Double
  /// The learning rate of the epoch's last update; nil in histories that do not say.
  public var learningRate: Double?
  /// How often a validation picture's class was among the five most probable, 0 to 1; nil where the
  /// model tells no more than five apart.
  public var validationTopFive: Double?

  /// A row of all its fields.
  public init(
    epoch: Int, loss: Double, accuracy: Double, validationLoss: Double,
    validationAccuracy: Double, seconds: Double, picturesPerSecond: Double,
    bytesReceived: Int = 0, bytesSent: Int = 0, gradientsAwaited: Double = 0,
    weightsAwaited: Double = 0, learningRate: Double? = nil, validationTopFive: Double? = nil
  ) {
    self.epoch = epoch
    self.loss = loss
    self.accuracy = accuracy
    self.validationLoss = validationLoss
    self.validationAccuracy = validationAccuracy
    self.seconds = seconds
    self.picturesPerSecond = picturesPerSecond
    self.bytesReceived = bytesReceived
    self.bytesSent = bytesSent
    self.gradientsAwaited = gradientsAwaited
    self.weightsAwaited = weightsAwaited
    self.learningRate = learningRate
    self.validationTopFive = validationTopFive
  }
}

/// The epochs of a run in order, as `history.csv` holds them.
public struct History: Hashable, Sendable {
  /// The first line of the file.
  public static let header = headers[2]

  /// Those of earlier versions, which had fewer columns, and that of this one.
  private static let headers = [
    "epoch,loss,acc,val_loss,val_acc,seconds,images_per_second,bytes_received,bytes_sent",
    ",gradients_awaited_s,weights_awaited_s", ",learning_rate,val_top5_acc",
  ].reduce(into: []) { headers, more in headers.append((headers.last ?? "") + more) }

  /// One record an epoch.
  public var records: [EpochRecord]

  /// A history of `records`.
  public init(_ records: [EpochRecord] = []) { self.records = records }

  /// Reads a `history.csv`.
  /// - Parameter followingLinks: whether `path` may be a symbolic link, as a run folder's may not.
  /// - Throws: `FileError` naming the file and the line that is wrong.
  public init(reading path: String, followingLinks: Bool = false) throws {
    let text = try PlainFiles.text(of: path, followingLinks: followingLinks)
    var lines = text.split(whereSeparator: \.isNewline)
    guard let first = lines.first.map(String.init), Self.headers.contains(first)
    else {
      throw FileError("\(path): not a history: its first line is not \(Self.header)")
    }
    lines.removeFirst()
    records = try lines.enumerated().map { index, line in
      guard let record = EpochRecord(csv: line) else {
        throw FileError(
          "\(path): line \(index + 2) is not an epoch: \(line.prefix(80)): restore the file from "
            + "a copy"
        )
      }
      return record
    }
  }

  /// The whole file, header included.
  public var csv: String {
    ([Self.header] + records.map(\.csv)).map { $0 + "\n" }.joined()
  }
}

extension EpochRecord {
  /// One line of `history.csv`, without its end.
  public var csv: String {
    [
      "\(epoch)", "\(loss)", "\(accuracy)", "\(validationLoss)", "\(validationAccuracy)",
      String(format: "%.3f", seconds), String(format: "%.1f", picturesPerSecond),
      "\(bytesReceived)", "\(bytesSent)", String(format: "%.3f", gradientsAwaited),
      String(format: "%.3f", weightsAwaited), learningRate.map { "\(Float($0))" } ?? "nan",
      "\(validationTopFive ?? .nan)",
    ].joined(separator: ",")
  }

  /// From one line of `history.csv`, of this version or of earlier ones; nil for anything else.
  init?(csv line: Substring) {
    let fields = line.split(separator: ",", omittingEmptySubsequences: false)
    guard [9, 11, 13].contains(fields.count), let epoch = Int(fields[0]),
      let received = Int(fields[7]),
      let sent = Int(fields[8])
    else { return nil }
    let numbers = fields[1...6].compactMap { Double($0) }
    let later = fields[9...].compactMap { Double($0) }
    guard numbers.count == 6, later.count == fields.count - 9 else { return nil }
    self.init(
      epoch: epoch, loss: numbers[0], accuracy: numbers[1], validationLoss: numbers[2],
      validationAccuracy: numbers[3], seconds: numbers[4], picturesPerSecond: numbers[5],
      bytesReceived: received, bytesSent: sent, gradientsAwaited: later.first ?? 0,
      weightsAwaited: later.dropFirst().first ?? 0,
      learningRate: later.count > 2 && !later[2].isNaN ? later[2] : nil,
      validationTopFive: later.count > 2 && !later[3].isNaN ? later[3] : nil)
  }
}
