import Foundation
import NIOCore
import NIOPosix

/// A connection that cannot be made, or cannot go on.
public struct NetworkError: Error, Hashable, Sendable, CustomStringConvertible {
  /// One line for the user.
  public let description: String
  /// Whether the cause may be gone the next time.
  public let mayPass: Bool
  /// An error that says `description`.
  public init(_ description: String, mayPass: Bool = false) {
    (self.description, self.mayPass) = (description, mayPass)
  }
}

extension NetworkError {
  /// What `error` means for listening on `host` and `port`.
  static func listening(_ host: String, _ port: Int, _ error: any Error) -> NetworkError {
    let advice: String =
      switch (error as? IOError)?.errnoCode {
      case EADDRINUSE: "the port is in use; choose another, or 0 for any that is free"
      case EADDRNOTAVAIL: "this machine has no such address"
      case EACCES: "no permission; ports below 1024 are the administrator's"
      default: summary(of: error)
      }
    return NetworkError(
      "cannot listen on \(host):\(port): \(advice)",
      mayPass: (error as? IOError)?.errnoCode == EADDRINUSE)
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
    return NetworkError("cannot connect to \(host):\(port): \(reason)")
  }

  /// One line for any error that ended a connection.
  static func summary(of error: any Error) -> String {
    switch error {
    case let error as IOError: String(cString: strerror(error.errnoCode))
    case is SocketAddressError: "no machine is known by that name"
    default: "\(error)".replacingOccurrences(of: "\n", with: " ")
    }
  }
}
