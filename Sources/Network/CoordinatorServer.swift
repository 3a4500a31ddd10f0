import Coordination
import Glibc
import Logging
import NIOCore
import NIOPosix
import Primitives
import Training
import Wire

/// The coordinator's side of all connections: listens, and puts what workers say into a mailbox.
///
/// A worker is announced (`opened`) with its first valid `hello`; a stranger is closed and logged.
/// Any thread may call it.
public final class CoordinatorServer: WorkerLinks {
  private let listener: any Channel
  private let peers: ServerPeers

  /// Listens.
  ///
  /// - Parameters:
  ///   - host: a name or an address of this machine, or `*` for all that it has.
  ///   - port: 0 takes any that is free; see `port`.
  ///   - lock: what it takes to be let in.
  ///   - mailbox: the coordinator's.
  ///   - logger: for strangers that were turned away, a few lines of a kind in some seconds.
  /// - Throws: `NetworkError`: the port is in use, or the address is not this machine's;
  ///   `ThreadError`.
  public init(
    host: String, port: Int, lock: ServerLock, limits: Limits = .standard,
    mailbox: Mailbox<CoordinatorInput>, logger: Logger = Logger(label: "dogsled")
  ) throws {
    let loop = try EventLoops.shared()
    let peers = try ServerPeers(
      lock: lock, limits: limits, mailbox: mailbox, logger: logger, loop: loop)
    do {
      listener = try Self.listen(host, port, peers, on: loop)
    } catch {
      throw NetworkError.listening(host, port, error)
    }
    self.peers = peers
  }

  /// Binds a socket; for `*` one of IPv6 that takes IPv4 as well, where this machine has IPv6.
  private static func listen(
    _ host: String, _ port: Int, _ peers: ServerPeers, on loop: any EventLoop
  ) throws -> any Channel {
    let bootstrap = ServerBootstrap(group: loop)
      .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
      .serverChannelOption(.backlog, value: 256)
      .childChannelOption(.unsentBytes, value: unsentBytesMost)
      .childChannelOption(.writeBufferWaterMark, value: .parts)
      .childChannelOption(.recvAllocator, value: AdaptiveRecvByteBufferAllocator.parts)
      .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture { try peers.accept(channel) }
      }
    guard host == "*" else {
      // Looking up an address fails where the machine has only its loopback of that version.
      let address = try? SocketAddress(ipAddress: host, port: port)
      return try (address.map(bootstrap.bind) ?? bootstrap.bind(host: host, port: port)).wait()
    }
    // Without IPv6 in the kernel there is no such socket.
    let six = socket(AF_INET6, Int32(SOCK_STREAM.rawValue), 0)
    let all = try SocketAddress(ipAddress: six < 0 ? "0.0.0.0" : "::", port: port)
    guard six >= 0 else { return try bootstrap.bind(to: all).wait() }
    Glibc.close(six)
    _ = bootstrap.serverChannelOption(.socket(Int(IPPROTO_IPV6), IPV6_V6ONLY), value: 0)
    return try bootstrap.bind(to: all).wait()
  }

  /// The port that it listens on.
  public var port: Int { listener.localAddress?.port ?? 0 }

  /// Bytes that came from workers since the start.
  public var bytesReceived: Int { peers.traffic.received.load(ordering: .relaxed) }

  /// Bytes that went to workers since the start.
  public var bytesSent: Int { peers.traffic.sent.load(ordering: .relaxed) }

  /// Sends without waiting, what is urgent first; to a peer that is gone it does nothing.
  public func send(_ message: CoordinatorMessage, to receivers: [PeerID]) {
    let channels = receivers.compactMap(peers.worker)
    guard !channels.isEmpty else { return }
    do {
      let outgoing = try OutgoingMessage(stamped(message), limits: peers.limits)
      for channel in channels { channel.writeAndFlush(outgoing, promise: nil) }
    } catch {
      // At once: the fault is this side's own, and it has nothing more that the peer should read.
      let reason = NetworkError.summary(of: error)
      for channel in channels { channel.request(.end(reason: reason)) }
    }
  }

  /// A welcome says what heartbeats this server keeps.
  private func stamped(_ message: CoordinatorMessage) -> CoordinatorMessage {
    guard case .welcome(var welcome) = message else { return message }
    welcome.heartbeat = peers.limits.heartbeat
    welcome.heartbeatBound = peers.limits.heartbeatBound
    return .welcome(welcome)
  }

  /// What the slowest connection of a worker carries in a second; nil until one was measured.
  public var bytesPerSecond: Double? { peers.bytesPerSecond }

  /// Where a worker connects from; nil for one that is none, or is gone.
  public func place(of peer: PeerID) -> PeerPlace? { peers.place(of: peer) }

  /// Closes a connection once what was sent has left, or after the heartbeat's bound.
  public func close(_ peer: PeerID) { peers.dismiss(peer)?.request(.close) }

  /// Stops listening, and closes every connection once what was sent has left; returns when all are
  /// closed, or after the heartbeat's bound.
  public func shutdown() {
    listener.close(promise: nil)
    let channels = peers.end()
    for channel in channels { channel.request(.close) }
    let all = EventLoopFuture.whenAllComplete(
      channels.map(\.closeFuture) + [listener.closeFuture], on: listener.eventLoop)
    _ = try? all.wait()
    // There, since what is said of a stranger that has just gone is said there.
    try? listener.eventLoop.submit { self.peers.sayLeftOut(isLast: true) }.wait()
  }
}
