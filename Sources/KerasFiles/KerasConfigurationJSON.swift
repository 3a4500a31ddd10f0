// JSON as a value: configurations are made of and taken apart into it.

import Foundation

/// A value of JSON.
package enum JSON: Hashable, Sendable {
  case null
  case bool(Bool)
  case integer(Int)
  case number(Double)
  case string(String)
  case array([JSON])
  case object([String: JSON])

  /// The text, keys in order; a number that JSON cannot say becomes null.
  var text: String {
    switch self {
    case .null: "null"
    case .bool(let bool): "\(bool)"
    case .integer(let integer): "\(integer)"
    case .number(let number): number.isFinite ? "\(number)" : "null"
    case .string(let string): Self.quoted(string)
    case .array(let array): "[" + array.map(\.text).joined(separator: ", ") + "]"
    case .object(let object):
      "{"
        + object.sorted { $0.key < $1.key }
        .map { Self.quoted($0.key) + ": " + $0.value.text }
        .joined(separator: ", ") + "}"
    }
  }

  /// The text as a message shows it: an object of Keras's as `L2(l2: 0.01)`, and not more than a
  /// line can hold.
  var shown: String {
    var text = text
    if let kind = self["class_name"]?.string {
      let config = self["config"]
      let settings = config?.object?.filter { $0.value != .null }.sorted { $0.key < $1.key }
        .map { "\($0.key): \($0.value.text)" }.joined(separator: ", ")
      text = "\(kind)(\(settings ?? config?.text ?? ""))"
    }
    return text.count <= 100 ? text : text.prefix(97) + "..."
  }

  /// The member `key` of an object; nil where it is not there or null.
  package subscript(key: String) -> JSON? {
    guard case .object(let members) = self, let member = members[key], member != .null else {
      return nil
    }
    return member
  }

  package var string: String? { if case .string(let string) = self { string } else { nil } }
  var bool: Bool? { if case .bool(let bool) = self { bool } else { nil } }
  package var array: [JSON]? { if case .array(let array) = self { array } else { nil } }
  package var object: [String: JSON]? { if case .object(let object) = self { object } else { nil } }
  package var integer: Int? { if case .integer(let integer) = self { integer } else { nil } }
  var number: Double? {
    switch self {
    case .integer(let integer): Double(integer)
    case .number(let number): number
    default: nil
    }
  }

  private static func quoted(_ string: String) -> String {
    var text = "\""
    for scalar in string.unicodeScalars {
      switch scalar {
      case "\"", "\\": text += "\\\(scalar)"
      case " "...: text.unicodeScalars.append(scalar)
      default: text += String(format: "\\u%04x", scalar.value)
      }
    }
    return text + "\""
  }
}

extension JSON: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByNilLiteral,
  ExpressibleByBooleanLiteral, ExpressibleByFloatLiteral, ExpressibleByArrayLiteral,
  ExpressibleByDictionaryLiteral
{
  package init(stringLiteral string: String) { self = .string(string) }
  package init(integerLiteral integer: Int) { self = .integer(integer) }
  package init(nilLiteral: ()) { self = .null }
  package init(booleanLiteral bool: Bool) { self = .bool(bool) }
  package init(floatLiteral number: Double) { self = .number(number) }
  package init(arrayLiteral elements: JSON...) { self = .array(elements) }
  package init(dictionaryLiteral elements: (String, JSON)...) {
    self = .object(Dictionary(elements) { _, last in last })
  }
}
