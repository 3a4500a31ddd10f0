/// A message that cannot be sent, or bytes that are no message: the connection cannot go on.
public struct WireError: Error, Hashable, Sendable, CustomStringConvertible {
  /// One line for the user.
  public let description: String
  /// An error that says `description`.
  public init(_ description: String) { self.description = description }
}
