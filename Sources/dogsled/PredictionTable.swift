import Foundation
import Pictures

/// How predictions are printed: a row a file, for people or for programs.
struct PredictionTable {
  enum Form { case table, csv, json }

  let form: Form
  /// The names of the classes, in the order of their labels.
  let classes: [String]

  /// The line before the first row; nil where there is none.
  var header: String? {
    let columns = ["file", "class", "probability"]
    switch form {
    case .table: return columns.joined(separator: "\t")
    case .csv: return columns.joined(separator: ",")
    case .json: return nil
    }
  }

  /// The row of the picture `path`: the most probable class, of equal ones the first, and how
  /// probable it is.
  /// - Parameter probabilities: of each class; finite.
  func row(_ path: String, _ probabilities: [Double]) -> String {
    let value = probabilities.max() ?? 0
    let name = classes[probabilities.firstIndex(of: value) ?? 0]
    switch form {
    case .table:
      let number = String(format: "%.6f", value)
      return [FileName.shown(path), FileName.shown(name), number].joined(separator: "\t")
    case .csv:
      return [Self.quoted(path), Self.quoted(name), "\(value)"].joined(separator: ",")
    case .json:
      return "{\"file\": \(Self.json(path)), \"class\": \(Self.json(name)), "
        + "\"probability\": \(value)}"
    }
  }

  /// A name as UTF-8, whatever its bytes: neither format can hold others.
  private static func text(_ name: String) -> String {
    FileName.isUTF8(name) ? name : FileName.shown(name)
  }

  /// A field as RFC 4180 has it: in quotation marks where it holds one, a comma or a line end.
  private static func quoted(_ name: String) -> String {
    let field = text(name)
    guard field.unicodeScalars.contains(where: { ",\"\r\n".unicodeScalars.contains($0) }) else {
      return field
    }
    let doubled = field.unicodeScalars.map { $0 == "\"" ? "\"\"" : String($0) }
    return "\"" + doubled.joined() + "\""
  }

  private static func json(_ name: String) -> String {
    let escaped = text(name).unicodeScalars.map { scalar in
      switch scalar {
      case "\"", "\\": "\\\(scalar)"
      case "\n": "\\n"
      case "\r": "\\r"
      case "\t": "\\t"
      case _ where !FileName.isPrintable(String(scalar)): String(format: "\\u%04x", scalar.value)
      default: String(scalar)
      }
    }
    return "\"" + escaped.joined() + "\""
  }
}
