/// A worker, as a user knows it.
public struct WorkerIdentity: Hashable, Sendable, CustomStringConvertible {
  /// Its number; nil for one that was turned away.
  public var number: Int?
  /// Machine and process: `host:4123`; empty for one that has not said it.
  public var name: String
  /// Where it connected from.
  public var address: String

  /// Memberwise.
  public init(number: Int?, name: String, address: String) {
    (self.number, self.name, self.address) = (number, name, address)
  }

  /// `worker 2 (host:4123 at 192.168.1.7:40112)`.
  public var description: String {
    let place = name.isEmpty ? address : "\(name) at \(address)"
    return number.map { "worker \($0) (\(place))" } ?? place
  }
}
