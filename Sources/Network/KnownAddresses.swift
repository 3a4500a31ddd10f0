import Foundation
import NIOCore
import NIOPosix

/// The addresses of a name, looked up by the thread that wants to connect.
///
/// SwiftNIO would look it up on a thread of Dispatch, which may not be had.
struct KnownAddresses: Resolver {
  private let loop: any EventLoop
  private let addresses: [SocketAddress]

  /// Looks `host` up, and waits for the answer; none where there is no such name.
  init(of host: String, port: Int, on loop: any EventLoop) {
    self.loop = loop
    addresses = InternetAddress.lookUp(host, port: port) { entry in
      guard let address = entry.ai_addr else { return nil }
      let raw = UnsafeRawPointer(address)
      switch entry.ai_family {
      case AF_INET: return SocketAddress(raw.load(as: sockaddr_in.self), host: host)
      case AF_INET6: return SocketAddress(raw.load(as: sockaddr_in6.self), host: host)
      default: return nil
      }
    }
  }

  func initiateAQuery(host: String, port: Int) -> EventLoopFuture<[SocketAddress]> {
    answer(.inet)
  }

  func initiateAAAAQuery(host: String, port: Int) -> EventLoopFuture<[SocketAddress]> {
    answer(.inet6)
  }

  func cancelQueries() {}

  private func answer(_ family: NIOBSDSocket.ProtocolFamily) -> EventLoopFuture<[SocketAddress]> {
    loop.makeSucceededFuture(addresses.filter { $0.protocol == family })
  }
}
