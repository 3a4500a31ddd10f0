import Foundation
import NIOCore
import NIOPosix
import Primitives

/// A connection that cannot be made, or cannot go on.
public struct NetworkError: Error, Hashable, Sendable, CustomStringConvertible {
  /// One line for the user.
  public let description: String
  /// Whether the cause may be gone the next time.
  public let mayPass: Bool
  /// Whether what was asked for cannot be here, whatever happens.
  public let isWrongUsage: Bool
  /// Whether somebody else listens where a coordinator was looked for, or one that cannot be
  /// joined in this way.
  public let isWrongPeer: Bool
  /// An error that says `description`.
  public init(
    _ description: String, mayPass: Bool = false, isWrongUsage: Bool = false,
    isWrongPeer: Bool = false
  ) {
    (self.description, self.mayPass) = (description, mayPass)
    (self.isWrongUsage, self.isWrongPeer) = (isWrongUsage, isWrongPeer)
  }
}

extension NetworkError {
  /// What `error` means for listening on `host` and `port`.
  static func listening(_ host: String, _ port: Int, _ error: any Error) -> NetworkError {
    let code = (error as? IOError)?.errnoCode
    let advice: String =
      switch code {
      case EADDRINUSE: "the port is in use; choose another, or 0 for any that is free"
      case EADDRNOTAVAIL: "this machine has no such address"
      case EACCES: "no permission; ports below 1024 are the administrator's"
      default: summary(of: error)
      }
    return NetworkError(
      "cannot listen on \(Endpoint(host: host, port: port)): \(advice)",
      mayPass: code == EADDRINUSE,
      isWrongUsage: code == EADDRNOTAVAIL || code == EACCES)
  }

  /// What `error` means for a connection to `host` and `port`.
  static func connecting(
    _ host: String, _ port: Int, _ error: any Error, timeout: Double
  ) -> NetworkError {
    let failure = error as? NIOConnectionError
    let cause = failure?.connectionErrors.last?.error ?? error
    let reason: String =
      switch cause {
      case ChannelError.connectTimeout: "no answer within \(timeout) s"
      case let cause as IOError where cause.errnoCode == ECONNREFUSED:
        "connection refused: no coordinator listens there"
      default:
        failure?.connectionErrors.isEmpty == true
          ? "no machine is known by that name" : summary(of: cause)
      }
    return NetworkError("cannot connect to \(Endpoint(host: host, port: port)): \(reason)")
  }

  /// What the end of a connection to `host` and `port` means that could not be used yet.
  static func joining(_ host: String, _ port: Int, _ reason: String) -> NetworkError {
    let advice: String =
      switch reason {
      case wrongKey: ": the token is another run's"
      case noTLS: ": its coordinator was started with --insecure, or it is none"
      default: ""
      }
    return NetworkError(
      "cannot join \(Endpoint(host: host, port: port)): \(reason)\(advice)",
      isWrongPeer: !advice.isEmpty)
  }

  /// One line for any error that ended a connection.
  static func summary(of error: any Error) -> String {
    if let line = summary(ofTLS: error) { return line }
    return switch error {
    case let error as IOError: String(cString: strerror(error.errnoCode))
    case is SocketAddressError: "no machine is known by that name"
    default: "\(error)".replacingOccurrences(of: "\n", with: " ")
    }
  }
}
