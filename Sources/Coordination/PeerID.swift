/// One connection of a worker to the coordinator; a worker that comes again gets another.
public struct PeerID: Hashable, Sendable, Comparable, CustomStringConvertible {
  /// A number that the transport counts up.
  public let raw: Int
  /// The connection with this number.
  public init(raw: Int) { self.raw = raw }
  /// By number.
  public static func < (a: Self, b: Self) -> Bool { a.raw < b.raw }
  /// `connection 3`.
  public var description: String { "connection \(raw)" }
}
