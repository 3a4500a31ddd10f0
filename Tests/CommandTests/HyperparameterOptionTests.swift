import Foundation
import Runs
import TestSupport
import Testing

/// Every entry of the table of hyper-parameters has an option that does what the entry says.
@Suite struct HyperparameterOptionTests {
  static let entries = Hyperparameters.table.filter { $0.help != nil }

  /// Those that take no value, but have an opposite.
  static let flags: Set<String> = [
    "horizontal-flip", "vertical-flip", "nesterov", "centered", "keep-aspect",
  ]

  @Test(arguments: [["train"], ["coordinator"]])
  func `The help has every entry's name, words and default`(_ verb: [String]) throws {
    let help = try Command(verb + ["--help"], in: TemporaryFolder())
    let words = help.output.split(whereSeparator: \.isWhitespace).joined(separator: " ")
    for entry in Self.entries {
      let text = try #require(entry.help)
      let takes = Self.flags.contains(entry.name) ? "/--no-\(entry.name) " : " <"
      #expect(words.contains("--\(entry.name)\(takes)"), "\(entry.name)")
      #expect(words.contains("\(text) (default: \(entry.defaultText))"), "\(entry.name)")
    }
  }

  @Test(arguments: entries.indices)
  func `An option's wrong value is wrong usage`(_ index: Int) throws {
    let name = Self.entries[index].name
    let result = try Command(["train", "data", "--\(name)=-1"], in: TemporaryFolder())
    #expect(result.status == 2)
    #expect(result.errorLines.count == 1)
    #expect(result.errors.contains(name) && result.errors.contains("-1"), "\(result.errors)")
  }
}
