import Foundation
import Pictures
import Primitives
import Runs

/// An evaluation as one page of HTML that needs no other file: its figures, the confusions, the
/// pictures that it is most wrong about, and the run's curves.
struct EvaluationPage {
  let evaluation: Evaluation
  /// The model's file.
  let model: String
  /// The folder that was evaluated.
  let folder: String
  /// How many pictures are shown at most.
  let worst: Int
  /// The run's curves as SVG; nil where no history lies beside the model.
  let curves: String?

  /// With more classes than this the confusions are a list instead of a table.
  private static let tableMost = 40
  /// The most rows of that list.
  private static let listMost = 200
  /// The most pixels of a side of a picture on the page.
  private static let side = 240

  /// The page.
  /// - Throws: `PictureError` for a picture that can no longer be read.
  func html() throws -> String {
    let parts = [
      "<h1>\(Self.escaped(FileName.shown(model)))</h1>",
      "<p>On \(Self.escaped(FileName.shown(folder))): \(Self.escaped(evaluation.summary))</p>",
      "<h2>Classes</h2>", classTable, "<h2>Confusions</h2>",
      evaluation.classes.count <= Self.tableMost ? confusionTable : confusionList,
      "<h2>Most wrong about</h2>", try pictures(), "<h2>Curves</h2>",
      curves.map { "<div class=\"curves\">\($0)</div>" }
        ?? "<p>There is no history.csv beside the model.</p>",
    ]
    return """
      <!DOCTYPE html>
      <html lang="en">
      <head>
      <meta charset="utf-8">
      <title>\(Self.escaped(FileName.shown(model)))</title>
      <style>
      body { font: 15px/1.45 sans-serif; margin: 2em auto; max-width: 1180px; padding: 0 1em; }
      table { border-collapse: collapse; }
      th, td { border: 1px solid #ccc; padding: 0.25em 0.6em; text-align: right; }
      th:first-child, td.name { text-align: left; }
      .pictures { display: flex; flex-wrap: wrap; gap: 1em; }
      figure { margin: 0; width: \(Self.side)px; overflow-wrap: anywhere; }
      .curves svg { height: auto; max-width: 100%; }
      </style>
      </head>
      <body>
      \(parts.joined(separator: "\n"))
      </body>
      </html>

      """
  }

  /// Text for between tags and in attributes.
  static func escaped(_ text: String) -> String {
    text.unicodeScalars.map { scalar in
      switch scalar {
      case "&": "&amp;"
      case "<": "&lt;"
      case ">": "&gt;"
      case "\"": "&quot;"
      case "'": "&#39;"
      default: String(scalar)
      }
    }.joined()
  }

  private func name(_ label: Int) -> String {
    Self.escaped(FileName.shown(evaluation.classes[label]))
  }

  private static func row(_ cells: [String]) -> String { "<tr>\(cells.joined())</tr>" }

  private static func table(_ head: [String], _ rows: [String]) -> String {
    let head = row(head.map { "<th>\($0)</th>" })
    return "<table>\n\(([head] + rows).joined(separator: "\n"))\n</table>"
  }

  /// The classes that occur, as a picture's own or as an answer.
  private var labels: [Int] {
    evaluation.classes.indices.filter { evaluation.confusion.isThere($0) }
  }

  private var classTable: String {
    let confusion = evaluation.confusion
    return Self.table(
      ["class", "pictures", "precision", "recall"],
      labels.map { label in
        Self.row([
          "<td class=\"name\">\(name(label))</td>", "<td>\(confusion.pictures[label])</td>",
          "<td>\(Evaluation.text(confusion.precision(label)))</td>",
          "<td>\(Evaluation.text(confusion.recall(label)))</td>",
        ])
      })
  }

  /// A row for each class, a column for each answer; the darker, the more of the row's pictures.
  private var confusionTable: String {
    Self.table(
      ["class / taken for"] + labels.map(name),
      labels.map { label in
        let all = max(evaluation.confusion.pictures[label], 1)
        let cells = labels.map { answer in
          let count = evaluation.confusion.count(of: label, takenFor: answer)
          let colour = label == answer ? "0, 140, 90" : "215, 95, 0"
          let share = String(format: "%.2f", 0.7 * Double(count) / Double(all))
          return "<td style=\"background: rgba(\(colour), \(share))\">\(count)</td>"
        }
        return Self.row(["<td class=\"name\">\(name(label))</td>"] + cells)
      })
  }

  private var confusionList: String {
    let all = labels.flatMap { label in
      evaluation.confusion.mistakes(label).map { (label: label, answer: $0.answer, $0.count) }
    }
    let sorted = all.enumerated().sorted { ($1.element.2, $0.offset) < ($0.element.2, $1.offset) }
    let left = sorted.count - Self.listMost
    let rest = left > 0 ? "\n<p>and \(left) less frequent ones</p>" : ""
    return Self.table(
      ["class", "taken for", "pictures"],
      sorted.prefix(Self.listMost).map { _, row in
        Self.row([
          "<td class=\"name\">\(name(row.label))</td>",
          "<td class=\"name\">\(name(row.answer))</td>", "<td>\(row.2)</td>",
        ])
      }) + rest
  }

  private func pictures() throws -> String {
    let mistakes = evaluation.worst(worst)
    guard !mistakes.isEmpty else { return "<p>None.</p>" }
    let figures = try mistakes.map { mistake in
      let path = "\(folder)/\(mistake.path)"
      let bytes = Data(try Thumbnail.jpeg(of: path, side: Self.side)).base64EncodedString()
      let shown = Self.escaped(FileName.shown(path))
      return """
        <figure>
        <img alt="\(shown)" src="data:image/jpeg;base64,\(bytes)">
        <figcaption>\(shown)<br>\(name(mistake.label)) taken for \(name(mistake.answer)): \
        \(Evaluation.text(mistake.own)) against \(Evaluation.text(mistake.given))</figcaption>
        </figure>
        """
    }
    return "<div class=\"pictures\">\n\(figures.joined(separator: "\n"))\n</div>"
  }
}
