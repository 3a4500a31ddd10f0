// What lets workers join the run: its owner alone can read it.

import Foundation
import Primitives

extension RunFolder {
  /// The coordinator's private key, where it is the run's own.
  public var keyPath: String { path + "/key" }
  /// What a worker needs to join, as the run's coordinator was started last.
  public var tokenPath: String { Self.tokenPath(in: path) }
  /// Where it is in a run's folder, also in one that is not there yet.
  public static func tokenPath(in folder: String) -> String { folder + "/token" }
  /// Whether the run has a key of its own.
  public var hasKey: Bool { PlainFiles.exists(keyPath) }

  /// Replaces the token.
  /// - Parameter text: nil where workers need none: an old one is removed.
  /// - Throws: `FileError`.
  public func replaceToken(_ text: String?) throws(FileError) {
    guard let text else {
      guard unlink(tokenPath) == 0 || errno == ENOENT else {
        throw PlainFiles.failure(tokenPath, "cannot be removed")
      }
      return
    }
    try PlainFiles.replace(tokenPath, with: Data("\(text)\n".utf8), isPrivate: true)
  }
}
