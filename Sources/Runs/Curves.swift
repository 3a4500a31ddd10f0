// The curves of one run or several: accuracy and loss over the epochs, training as points and
// validation as a line, smoothed where that is wanted, as F. Chollet's Deep Learning with Python
// draws them, and the best epoch marked.

import Foundation
import Pictures
import Primitives

/// A picture of runs, to be written as SVG or PNG.
public struct Curves: Sendable {
  /// What a picture can be written as.
  public enum Format: String, CaseIterable, Sendable {
    /// Scalable Vector Graphics.
    case svg
    /// Portable Network Graphics.
    case png

    /// The one that the end of `path` names, `.svg` or `.png`; nil for another end.
    public init?(_ path: String) {
      let end = path.lowercased()
      guard let format = Self.allCases.first(where: { end.hasSuffix(".\($0.rawValue)") }) else {
        return nil
      }
      self = format
    }
  }

  /// Each run with the name that the legend gives it.
  public let runs: [(name: String, history: History)]
  /// The weight of what was before in the means that are drawn; 0 for the values as they are.
  public let smoothing: Double

  /// A picture of `runs`, one colour each.
  /// - Parameter smoothing: from 0 to less than 1: each point is so much of the point before and
  ///   the rest of its own value (the book's `smooth_curve`).
  public init(_ runs: [(name: String, history: History)], smoothing: Double = 0) {
    (self.runs, self.smoothing) = (runs, smoothing)
  }

  /// Writes the picture, in the format that the end of `path` says: `.svg` or `.png`.
  /// - Throws: `FileError` for another end, or where the file cannot be written.
  public func write(to path: String) throws {
    guard let format = Format(path) else {
      throw FileError("\(path): curves are drawn as .svg or .png")
    }
    let bytes =
      switch format {
      case .svg: CurvesDrawing.svg(of: self)
      case .png: CurvesDrawing.png(of: self)
      }
    guard let bytes else { throw FileError("\(path): libcairo cannot draw the curves") }
    try PlainFiles.replace(path, with: bytes)
  }

  /// The picture as an element of SVG for a page of HTML.
  /// - Throws: `FileError` where libcairo cannot draw it.
  public func inlineSVG() throws -> String {
    guard let bytes = CurvesDrawing.svg(of: self) else {
      throw FileError("libcairo cannot draw the curves")
    }
    let text = String(decoding: bytes, as: UTF8.self)
    // What stands before the element belongs to a file of its own.
    return text.range(of: "<svg").map { String(text[$0.lowerBound...]) } ?? text
  }

  /// One of the two diagrams.
  package struct Panel {
    let title: String
    let label: String
    /// One list of points a run, smoothed; without those that are no finite number.
    package let training: [[Point?]]
    package let validation: [[Point?]]
    /// The validation's points as they are, where the others are smoothed; otherwise none.
    package let unsmoothed: [[Point?]]
    /// Of each run the best of the validation's points, not smoothed; of equal ones the first.
    package let best: [Point?]

    /// An epoch and its accuracy or loss.
    package struct Point: Hashable {
      package let epoch: Double
      package let value: Double
    }
  }

  /// Accuracy, then loss.
  package var panels: [Panel] {
    let (accuracies, losses) = (points(\.validationAccuracy), points(\.validationLoss))
    return [
      Panel(
        title: "Training and validation accuracy", label: "Accuracy",
        training: points(\.accuracy).map(smoothed), validation: accuracies.map(smoothed),
        unsmoothed: smoothing > 0 ? accuracies : [],
        best: accuracies.map { Self.best($0) { $0.value > $1.value } }),
      Panel(
        title: "Training and validation loss", label: "Loss",
        training: points(\.loss).map(smoothed), validation: losses.map(smoothed),
        unsmoothed: smoothing > 0 ? losses : [],
        best: losses.map { Self.best($0) { $0.value < $1.value } }),
    ]
  }

  /// Each point as the mean of itself and what was before, in the shares that `smoothing` says.
  private func smoothed(_ points: [Panel.Point?]) -> [Panel.Point?] {
    guard smoothing > 0 else { return points }
    var mean: Double?
    return points.map { point in
      guard let point else { return nil }
      let value = mean.map { $0 * smoothing + point.value * (1 - smoothing) } ?? point.value
      mean = value
      return Panel.Point(epoch: point.epoch, value: value)
    }
  }

  /// The first point that none is better than.
  private static func best(
    _ points: [Panel.Point?], _ isBetter: (Panel.Point, Panel.Point) -> Bool
  ) -> Panel.Point? {
    points.compactMap { $0 }.reduce(nil) { best, point in
      best.map { isBetter(point, $0) ? point : $0 } ?? point
    }
  }

  private func points(_ value: KeyPath<EpochRecord, Double>) -> [[Panel.Point?]] {
    runs.map { run in
      run.history.records.map { record in
        record[keyPath: value].isFinite
          ? Panel.Point(epoch: Double(record.epoch), value: record[keyPath: value]) : nil
      }
    }
  }
}
