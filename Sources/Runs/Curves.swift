// The curves of one run or several: accuracy and loss over the epochs, training as points and
// validation as a line, as F. Chollet's Deep Learning with Python draws them.

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

  /// A picture of `runs`, one colour each.
  public init(_ runs: [(name: String, history: History)]) { self.runs = runs }

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
  struct Panel {
    let title: String
    let label: String
    /// One list of points a run; without those that are no finite number.
    let training: [[Point?]]
    let validation: [[Point?]]

    /// An epoch and its accuracy or loss.
    struct Point {
      let epoch: Double
      let value: Double
    }
  }

  /// Accuracy, then loss.
  var panels: [Panel] {
    [
      Panel(
        title: "Training and validation accuracy", label: "Accuracy",
        training: points(\.accuracy), validation: points(\.validationAccuracy)),
      Panel(
        title: "Training and validation loss", label: "Loss", training: points(\.loss),
        validation: points(\.validationLoss)),
    ]
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
