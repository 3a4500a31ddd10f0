import Foundation
import Primitives

/// The hosts that workers run on, from a file as MPI has it: `node1 slots=2` on a line, one worker
/// where `slots=` is left out, `#` before a comment.
public struct HostFile: Sendable, Equatable {
  /// A line of it.
  public struct Host: Sendable, Hashable {
    /// What ssh calls it.
    public let name: String
    /// How many workers it gets, 1...999.
    public let slots: Int
  }

  /// In the file's order; at least one, no name twice.
  public let hosts: [Host]

  /// Reads a file.
  /// - Throws: `FileError` where it cannot be read, `HostFileError` with the line that is wrong.
  public init(_ path: String) throws {
    try self.init(text: PlainFiles.text(of: path, followingLinks: true), path: path)
  }

  /// - Parameter path: what errors call the file.
  package init(text: String, path: String) throws(HostFileError) {
    var hosts: [Host] = []
    let lines = text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
    for (index, line) in lines.enumerated() {
      func wrong(_ reason: String) -> HostFileError {
        HostFileError(description: "\(path), line \(index + 1): \(reason)")
      }
      let words = line.prefix { $0 != "#" }.split(whereSeparator: \.isWhitespace)
      guard let name = words.first.map(String.init) else { continue }
      guard Self.isName(name) else {
        throw wrong("'\(printable(name))' is no host name")
      }
      guard let slots = Self.slots(words.dropFirst()) else {
        throw wrong(
          "expected 'NAME slots=N' with N from 1 to 999, not '\(printable(String(line)))'")
      }
      guard !hosts.contains(where: { $0.name == name }) else {
        throw wrong("\(name) is named a second time")
      }
      hosts.append(Host(name: name, slots: slots))
    }
    guard !hosts.isEmpty else { throw HostFileError(description: "\(path): names no host") }
    self.hosts = hosts
  }

  /// One host with one worker; nil where ssh could take the name for an option.
  public init?(host name: String) {
    guard Self.isName(name) else { return nil }
    hosts = [Host(name: name, slots: 1)]
  }

  private static func isName(_ text: String) -> Bool {
    text.wholeMatch(of: /[A-Za-z0-9_][A-Za-z0-9_.:@%-]*/) != nil
  }

  private static func slots(_ settings: ArraySlice<Substring>) -> Int? {
    guard let setting = settings.first else { return 1 }
    guard settings.count == 1,
      let digits = setting.wholeMatch(of: /slots=([1-9][0-9]{0,2})/)?.1
    else { return nil }
    return Int(digits)
  }
}

/// What is wrong with a host file.
public struct HostFileError: Error, CustomStringConvertible {
  /// One line for the user.
  public let description: String
}

/// A line that somebody else wrote, without what could command a terminal, and not too long.
func printable(_ line: some StringProtocol) -> String {
  let scalars = line.unicodeScalars.filter {
    switch $0.properties.generalCategory {
    case .control, .format, .surrogate, .unassigned, .lineSeparator, .paragraphSeparator: false
    default: $0 != "\u{FFFD}"
    }
  }
  return String(String.UnicodeScalarView(scalars.prefix(500)))
}
