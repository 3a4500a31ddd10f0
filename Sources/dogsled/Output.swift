// What a verb prints: results on standard output, everything else on standard error.

import ArgumentParser
import Foundation
import Pictures
import Primitives

/// What ends a verb with a status of its own; one clear line.
struct Failure: Error, CustomStringConvertible {
  let description: String
  let status: ExitCode
  init(_ description: String, status: ExitCode = .failure) {
    (self.description, self.status) = (description, status)
  }
}

/// Writes one line to standard error.
func log(_ line: String) {
  try? FileHandle.standardError.write(contentsOf: Data("\(line)\n".utf8))
}

/// Writes a line of results to standard output.
/// - Throws: `Failure` where it cannot be written, as to a full disk; `ExitCode.success` where it
///   is a pipe that nobody reads any more: whoever read has what was wanted.
func emit(_ line: String) throws {
  do {
    try FileHandle.standardOutput.write(contentsOf: Data("\(line)\n".utf8))
  } catch {
    guard !isBrokenPipe(error) else { throw ExitCode.success }
    throw Failure("standard output cannot be written: \(reason(error))")
  }
}

/// Whether a write failed since nobody reads what is written.
private func isBrokenPipe(_ error: any Error) -> Bool {
  let errors = sequence(first: error as NSError) { $0.userInfo[NSUnderlyingErrorKey] as? NSError }
  return errors.contains { $0.domain == NSPOSIXErrorDomain && $0.code == Int(EPIPE) }
}

/// Names what cannot be read on standard error: the first ten, and how many more there are.
struct UnreadableList {
  private static let most = 10
  /// How many cannot be read.
  private(set) var count = 0

  mutating func add(_ error: PictureError) {
    count += 1
    if count <= Self.most { log("\(error)") }
  }

  /// Says how many more than were named.
  func finish() {
    if count > Self.most { log("and \(count - Self.most) more") }
  }
}

/// Names the pictures that cannot be used.
/// - Throws: `Failure` unless they may be left out.
func report(unreadable bad: [PictureError], leavingOut: Bool) throws {
  guard !bad.isEmpty else { return }
  var list = UnreadableList()
  bad.forEach { list.add($0) }
  list.finish()
  guard leavingOut else {
    throw Failure(
      "\(bad.count) of the pictures cannot be used: remove them, or leave them out with "
        + "--skip-unreadable")
  }
  log("left out \(counted(bad.count, "picture"))")
}

/// `1 worker`, `2 workers`.
func counted(_ count: Int, _ noun: String) -> String {
  "\(count) \(noun)\(count == 1 ? "" : "s")"
}

/// `words` as a line that a shell takes apart into the same words.
func shellLine(_ words: [String]) -> String {
  words.map { word in
    let isPlain = word.utf8.allSatisfy {
      $0 < 128 && (isalnum(Int32($0)) != 0 || "-_./:=@%+,".utf8.contains($0))
    }
    if isPlain, !word.isEmpty { return word }
    return "'" + word.replacingOccurrences(of: "'", with: #"'\''"#) + "'"
  }.joined(separator: " ")
}
