import NIOCore

/// A host and a port, written `HOST:PORT` or `[ADDRESS]:PORT`.
public struct Endpoint: Hashable, Sendable, CustomStringConvertible {
  /// A name, an address, or `*` for all addresses of a machine.
  public let host: String
  /// The port.
  public let port: Int

  /// `port` of `host`.
  public init(host: String, port: Int) { (self.host, self.port) = (host, port) }

  /// As one types it.
  public var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}

extension Endpoint {
  /// Where a peer connects from.
  init(_ address: SocketAddress) {
    // As IPv4 comes to a socket that takes both.
    let mapped = "::ffff:"
    var host = address.ipAddress ?? ""
    if host.hasPrefix(mapped), host.contains(".") { host.removeFirst(mapped.count) }
    self.init(host: host, port: address.port ?? 0)
  }
}
