/// A file that cannot be read or written; `description` says which and why.
public struct FileError: Error, CustomStringConvertible {
  /// One line for the user.
  public let description: String
  /// Whether the cause may be gone the next time.
  public let mayPass: Bool
  /// An error that says `description`.
  public init(_ description: String, mayPass: Bool = false) {
    (self.description, self.mayPass) = (description, mayPass)
  }
}
