import Coordination
import Glibc
import Logging
import NIOCore
import NIOPosix
import Primitives
import Synchronization
import Training
import Wire

/// The coordinator's side of all connections: listens, and puts what workers say into a mailbox.
///
/// A worker is announced (`opened`) with its first valid `hello`; a stranger is closed and logged.
/// Any thread may call it.
public final class CoordinatorServer: WorkerLinks {
  private struct State {
    /// Those that said hello.
    var workers: [PeerID: Place] = [:]
    /// Those that have not said who they are, by age.
    var strangers: [(peer: PeerID, channel: any Channel)] = []
    var next = 0
    var isOver = false
    /// Of the lines about strangers there are few.
    var lines = LineLimit<String, String>()
    var saysLeftOut = false
  }

  /// One of the places that there are for workers.
  private struct Place {
    let channel: any Channel
    /// Where it connects from, without the port.
    let host: String
    var isReady = false
    /// Whether it has been asked to go.
    var isLeaving = false
  }

  private let listener: any Channel
  private let core: Core

  /// Listens.
  ///
  /// - Parameters:
  ///   - host: a name or an address of this machine, or `*` for all that it has.
  ///   - port: 0 takes any that is free; see `port`.
  ///   - floats: of a gradient's buffer: none may have more.
  ///   - mailbox: the coordinator's.
  ///   - logger: for strangers that were turned away, a few lines of a kind in some seconds.
  /// - Throws: `NetworkError`: the port is in use, or the address is not this machine's;
  ///   `ThreadError`.
  public init(
    host: String, port: Int, floats: Int, limits: Limits = .standard,
    mailbox: Mailbox<CoordinatorInput>, logger: Logger = Logger(label: "dogsled")
  ) throws {
    let core = Core(floats: floats, limits: limits, mailbox: mailbox, logger: logger)
    let loop = try EventLoops.shared()
    do {
      listener = try Self.listen(host, port, core, on: loop)
    } catch {
      throw NetworkError.listening(host, port, error)
    }
    self.core = core
  }

  /// Binds a socket; for `*` one of IPv6 that takes IPv4 as well, where this machine has IPv6.
  private static func listen(
    _ host: String, _ port: Int, _ core: Core, on loop: any EventLoop
  ) throws -> any Channel {
    let bootstrap = ServerBootstrap(group: loop)
      .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
      .serverChannelOption(.backlog, value: 256)
      .childChannelOption(.writeBufferWaterMark, value: .pieces)
      .childChannelOption(.recvAllocator, value: AdaptiveRecvByteBufferAllocator.pieces)
      .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture { try core.accept(channel) }
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
  public var bytesReceived: Int { core.traffic.received.load(ordering: .relaxed) }

  /// Bytes that went to workers since the start.
  public var bytesSent: Int { core.traffic.sent.load(ordering: .relaxed) }

  /// Sends in order, without waiting; to a peer that is gone it does nothing.
  public func send(_ message: CoordinatorMessage, to peer: PeerID) {
    guard let channel = core.channel(of: peer) else { return }
    do {
      channel.writeAndFlush(
        try OutgoingMessage(core.stamped(message), limits: core.limits), promise: nil)
    } catch {
      channel.pipeline.fireErrorCaught(error)
    }
  }

  /// Closes a connection once what was sent has left, or after the heartbeat's bound.
  public func close(_ peer: PeerID) {
    let channel = core.state.withLock { state in
      // One that reads slowly keeps no place meanwhile.
      state.workers[peer]?.isLeaving = true
      return state.workers[peer]?.channel
    }
    guard let channel else { return }
    channel.triggerUserOutboundEvent(SendQueue.Close(), promise: nil)
    let bound = TimeAmount(seconds: core.limits.heartbeatBound)
    let deadline = channel.eventLoop.scheduleTask(in: bound) { channel.close(promise: nil) }
    channel.closeFuture.whenComplete { _ in deadline.cancel() }
  }

  /// Stops listening, and closes every connection once what was sent has left; returns when all are
  /// closed, or after the heartbeat's bound.
  public func shutdown() {
    listener.close(promise: nil)
    let channels = core.state.withLock { state in
      state.isOver = true
      return state.workers.values.map(\.channel) + state.strangers.map(\.channel)
    }
    for channel in channels {
      channel.triggerUserOutboundEvent(SendQueue.Close(), promise: nil)
    }
    let loop = listener.eventLoop
    let all = EventLoopFuture.whenAllComplete(
      channels.map(\.closeFuture) + [listener.closeFuture], on: loop)
    let deadline = loop.scheduleTask(in: TimeAmount(seconds: core.limits.heartbeatBound)) {
      for channel in channels { channel.close(promise: nil) }
    }
    _ = try? all.wait()
    deadline.cancel()
    core.sayLeftOut(isLast: true)
  }
}

extension CoordinatorServer {
  /// What the handlers and the callers of a server share.
  private final class Core: Sendable {
    let floats: Int
    let limits: Limits
    let mailbox: Mailbox<CoordinatorInput>
    let logger: Logger
    let traffic = Traffic()
    let state = Mutex(State())

    init(floats: Int, limits: Limits, mailbox: Mailbox<CoordinatorInput>, logger: Logger) {
      self.floats = floats
      self.limits = limits
      self.mailbox = mailbox
      self.logger = logger
    }

    func channel(of peer: PeerID) -> (any Channel)? {
      state.withLock { $0.workers[peer]?.channel }
    }

    /// A welcome says what heartbeats this server keeps.
    func stamped(_ message: CoordinatorMessage) -> CoordinatorMessage {
      guard case .welcome(var welcome) = message else { return message }
      welcome.heartbeat = limits.heartbeat
      welcome.heartbeatBound = limits.heartbeatBound
      return .welcome(welcome)
    }

    /// Puts the handlers of a new connection into `channel`.
    func accept(_ channel: any Channel) throws {
      let address = channel.remoteAddress.map(Self.text) ?? "an unknown address"
      let (peer, oldest) = state.withLock { state in
        let peer = PeerID(raw: state.next)
        state.next += 1
        state.strangers.append((peer, channel))
        let isFull = state.strangers.count > limits.strangers
        return (peer, isFull ? state.strangers.removeFirst().channel : nil)
      }
      // Idle strangers must not keep workers out.
      oldest?.pipeline.fireErrorCaught(NetworkError("closed to make room for newer connections"))
      try Connection<WorkerMessage>.configure(
        channel, limits: limits, floats: floats, introductionTimeout: limits.helloTimeout,
        traffic: traffic, events: serve(peer, address))
    }

    private func serve(_ peer: PeerID, _ address: String) -> Connection<WorkerMessage>.Events {
      .init(
        message: { [self] channel, message in
          switch message {
          case .hello:
            guard admit(peer, channel) else { return turnAway(channel) }
            expectReady(peer, channel)
            mailbox.put(.opened(peer, address: address))
          // The rules put out whom they do not believe it.
          case .ready: state.withLock { $0.workers[peer]?.isReady = true }
          default: break
          }
          guard self.channel(of: peer) != nil else { return }
          mailbox.put(.message(peer, message))
        },
        closed: { [self] reason in
          let (wasOpen, isOver) = state.withLock { state in
            state.strangers.removeAll { $0.peer == peer }
            return (state.workers.removeValue(forKey: peer) != nil, state.isOver)
          }
          if wasOpen {
            mailbox.put(.closed(peer, reason: reason ?? "the coordinator closed the connection"))
          } else {
            warn(of: address, reason ?? (isOver ? "the run is over" : fullness))
          }
        })
    }

    /// Takes a peer that said hello among the workers; false where there are enough that are ready.
    private func admit(_ peer: PeerID, _ channel: any Channel) -> Bool {
      let host = channel.remoteAddress?.ipAddress ?? ""
      let (isAdmitted, evicted) = state.withLock { state -> (Bool, (any Channel)?) in
        state.strangers.removeAll { $0.peer == peer }
        let taken = state.workers.filter { !$0.value.isLeaving }
        var evicted: (any Channel)?
        if taken.count >= limits.connections {
          guard let oldest = Self.evicted(of: taken.filter { !$0.value.isReady }) else {
            return (false, nil)
          }
          evicted = state.workers[oldest]?.channel
          state.workers[oldest]?.isLeaving = true
        }
        state.workers[peer] = Place(channel: channel, host: host)
        return (true, evicted)
      }
      evicted?.pipeline.fireErrorCaught(
        NetworkError("it was not ready, and made room for another worker"))
      return isAdmitted
    }

    /// Who makes room: of the host that has most of those that are not ready, the oldest.
    private static func evicted(of places: [PeerID: Place]) -> PeerID? {
      let hosts = Dictionary(grouping: places.keys) { places[$0]?.host }
      return hosts.values.min { ($1.count, $0.min()?.raw ?? 0) < ($0.count, $1.min()?.raw ?? 0) }?
        .min()
    }

    /// Closes the connection of a worker that is not ready in time.
    private func expectReady(_ peer: PeerID, _ channel: any Channel) {
      let timeout = limits.readyTimeout
      let bound = channel.eventLoop.scheduleTask(in: TimeAmount(seconds: timeout)) { [self] in
        guard state.withLock({ $0.workers[peer]?.isReady == false }) else { return }
        channel.pipeline.fireErrorCaught(NetworkError("it was not ready within \(timeout) s"))
      }
      channel.closeFuture.whenComplete { _ in bound.cancel() }
    }

    /// Logs that a stranger was turned away.
    private func warn(of address: String, _ reason: String) {
      // What comes behind a colon, and numbers, are the stranger's.
      let kind = reason.prefix { $0 != ":" }.filter { !$0.isNumber }
      let line = "rejected \(address): \(reason)"
      let (passes, isFirst) = state.withLock { state in
        let passes = state.lines.passes(line, kind: kind, now: Self.now)
        defer { state.saysLeftOut = state.saysLeftOut || !passes }
        return (passes, !passes && !state.saysLeftOut)
      }
      if passes { logger.warning("\(line)") }
      // The thread is there: connections come from it.
      guard isFirst, let loop = try? EventLoops.shared() else { return }
      let span = LineLimit<String, String>.span
      loop.scheduleTask(in: TimeAmount(span)) { [self] in sayLeftOut() }
    }

    /// Logs how many lines were left out.
    func sayLeftOut(isLast: Bool = false) {
      let lines = state.withLock { state in
        state.saysLeftOut = false
        return state.lines.leftOut(now: Self.now, isLast: isLast)
      }
      for (line, more) in lines {
        logger.warning("\(line)\(more > 0 ? " (and \(more) more such lines)" : "")")
      }
    }

    private static var now: Duration {
      .nanoseconds(Int64(clamping: NIODeadline.now().uptimeNanoseconds))
    }

    private var fullness: String {
      "the coordinator has all \(limits.connections) workers that it takes"
    }

    private func turnAway(_ channel: any Channel) {
      if let message = try? OutgoingMessage(CoordinatorMessage.refuse(reason: fullness)) {
        channel.writeAndFlush(message, promise: nil)
      }
      channel.triggerUserOutboundEvent(SendQueue.Close(), promise: nil)
    }

    private static func text(_ address: SocketAddress) -> String {
      // As IPv4 comes to a socket that takes both.
      let mapped = "::ffff:"
      var host = address.ipAddress ?? ""
      if host.hasPrefix(mapped), host.contains(".") { host.removeFirst(mapped.count) }
      return "\(host.contains(":") ? "[\(host)]" : host):\(address.port ?? 0)"
    }
  }
}
