import Primitives

/// Why a picture, a folder or a data set cannot be used: one line for the user.
public struct PictureError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The file or folder, as the user would name it; nil for data in memory.
  public var path: String?
  /// What is wrong with it and, where it helps, what to do.
  public var reason: String

  /// An error about `path`.
  public init(path: String? = nil, _ reason: String) {
    (self.path, self.reason) = (path, reason)
  }

  /// `path: reason` in one line, whatever the names hold.
  public var description: String {
    // Names in the reason are not set apart from the words, among which are no backslashes.
    let words = FileName.shown(reason, doublingBackslashes: false)
    return path.map { "\(FileName.shown($0)): \(words)" } ?? words
  }

  /// The same error, about the file `path`.
  func about(_ path: String) -> PictureError { PictureError(path: path, reason) }
}
