import Engine
import Foundation
import KerasFiles
import Pictures

/// What a model came to on a folder of pictures.
struct Evaluation {
  /// A picture that was taken for another class.
  struct Mistake {
    /// As the folder has it, below the classes' folder.
    let path: String
    let label: Int
    let answer: Int
    /// What the model gives the picture's own class.
    let own: Double
    /// What the model gives the class that it took the picture for.
    let given: Double
  }

  /// Names of the classes, in the order of their labels.
  let classes: [String]
  private(set) var totals = Engine.Totals()
  /// What the weights' decay adds to the mean loss.
  let penalty: Double
  private(set) var confusion: Confusion
  /// The pictures that were taken for another class.
  private var mistakes: [Mistake] = []

  init(classes: [String], penalty: Double) {
    self.classes = classes
    self.penalty = penalty
    confusion = Confusion(classes: classes.count)
  }

  /// Adds a batch, of which `entries` are the pictures.
  mutating func add(
    _ entries: ArraySlice<ManifestEntry>, _ batch: Engine.Totals, _ judgements: [Judgement]
  ) {
    totals += batch
    for (entry, judgement) in zip(entries, judgements) {
      confusion.add(entry.label, judgement)
      guard judgement.answer != entry.label else { continue }
      mistakes.append(
        Mistake(
          path: entry.path, label: entry.label, answer: judgement.answer,
          own: judgement.probabilities[entry.label],
          given: judgement.probabilities[judgement.answer]))
    }
  }

  /// The most that the model is wrong about, at most `count`: those to whose class it gives the
  /// smallest probability, of equal ones the first.
  func worst(_ count: Int) -> [Mistake] {
    let order = mistakes.indices.sorted { (mistakes[$0].own, $0) < (mistakes[$1].own, $1) }
    return order.prefix(count).map { mistakes[$0] }
  }

  /// One line: the means over all pictures.
  var summary: String {
    let count = Double(totals.count)
    let five =
      classes.count > 5
      ? String(format: "  top-5 %.6f", Double(confusion.amongFive) / count) : ""
    return String(
      format: "loss %.6f  accuracy %.6f%@  pictures %d", totals.loss / count + penalty,
      Double(totals.correct) / count, five, totals.count)
  }

  /// `0.7012`, or a dash where there is no such number.
  static func text(_ share: Double?) -> String { share.map { String(format: "%.4f", $0) } ?? "-" }

  /// What pictures of a class were taken for: the five most frequent, `dogs 161, foxes 3`.
  func takenFor(_ label: Int) -> String {
    let mistakes = confusion.mistakes(label)
    let shown = mistakes.prefix(5).map { "\(FileName.shown(classes[$0.answer])) \($0.count)" }
    let more = mistakes.count > 5 ? ["and \(mistakes.count - 5) more classes"] : []
    return mistakes.isEmpty ? "-" : (shown + more).joined(separator: ", ")
  }
}

/// An evaluation as text: the summary, a row for each class, and the pictures that the model is
/// most wrong about.
struct EvaluationTable {
  let evaluation: Evaluation
  /// The folder that was evaluated.
  let folder: String
  /// How many pictures are named at most.
  let worst: Int

  /// The lines.
  var lines: [String] {
    let head = ["class", "pictures", "precision", "recall", "taken for"]
    let rows = evaluation.classes.indices.filter { evaluation.confusion.isThere($0) }.map { label in
      [
        FileName.shown(evaluation.classes[label]), "\(evaluation.confusion.pictures[label])",
        Evaluation.text(evaluation.confusion.precision(label)),
        Evaluation.text(evaluation.confusion.recall(label)), evaluation.takenFor(label),
      ]
    }
    var lines = [evaluation.summary] + Self.aligned([head] + rows)
    let mistakes = evaluation.worst(worst)
    guard !mistakes.isEmpty else { return lines }
    lines.append("most wrong about")
    lines += mistakes.map { mistake in
      let (own, other) = (evaluation.classes[mistake.label], evaluation.classes[mistake.answer])
      return String(format: "%.4f", mistake.own)
        + "  \(FileName.shown("\(folder)/\(mistake.path)"))"
        + "  \(FileName.shown(own)) taken for \(FileName.shown(other))"
    }
    return lines
  }

  /// Rows whose columns begin below each other: the first to the left, numbers to the right.
  private static func aligned(_ rows: [[String]]) -> [String] {
    let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
    return rows.map { row in
      row.indices.map { column in
        let room = String(repeating: " ", count: widths[column] - row[column].count)
        switch column {
        case 0: return row[column] + room
        case row.count - 1: return row[column]
        default: return room + row[column]
        }
      }.joined(separator: "  ")
    }
  }
}
