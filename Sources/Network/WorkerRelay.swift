import Coordination
import NIOCore
import NIOPosix
import NIOSSL
import Primitives
import Synchronization
import Training
import Wire

/// A worker's connections to other workers: performs what `Relay` says, and puts what comes for the
/// worker into its mailbox.
///
/// What is handed on never waits for what the worker computes: all is done on the event loop.
final class WorkerRelay: Sendable {
  private struct State {
    var relay: Relay
    var limits: Limits
    /// To the coordinator.
    var coordinator: (any Channel)?
    /// To the successor, with the link's number.
    var successor: (link: Int, channel: any Channel)?
    /// Those that others made.
    var connections: [Int: any Channel] = [:]
    var made = 0
    var listener: (any Channel)?
    var isOver = false
  }

  /// What a worker locks its connections to others with: a key of its own, for as long as this
  /// connection to the coordinator lives.
  private struct Locks {
    let fingerprint: Fingerprint
    let accepted: NIOSSLContext
    let made: NIOSSLContext

    init() throws {
      let key = try Key()
      fingerprint = key.fingerprint
      (accepted, made) = (try TLS.context(key), try TLS.context())
    }
  }

  private let loop: any EventLoop
  private let mailbox: Mailbox<WorkerInput>
  /// Nil where nothing is encrypted.
  private let locks: Locks?
  private let state: Mutex<State>

  /// - Parameter isLocked: whether what the coordinator says is encrypted: then all else is too.
  /// - Throws: where no key can be made.
  init(
    isLocked: Bool, limits: Limits, loop: any EventLoop, mailbox: Mailbox<WorkerInput>
  ) throws {
    locks = isLocked ? try Locks() : nil
    self.loop = loop
    self.mailbox = mailbox
    state = Mutex(State(relay: Relay(limits: limits, listening: nil), limits: limits))
  }

  // MARK: The coordinator

  /// The connection to the coordinator is there: listens at this machine's end of it.
  ///
  /// A worker that cannot listen is sent all parts by the coordinator.
  func begin(_ coordinator: any Channel) {
    let limits = state.withLock { $0.limits }
    let bootstrap = ServerBootstrap(group: loop)
      .serverChannelOption(.backlog, value: 16)
      .childChannelOption(.writeBufferWaterMark, value: .parts)
      .childChannelOption(.recvAllocator, value: AdaptiveRecvByteBufferAllocator.parts)
      .childChannelInitializer { [self] channel in
        channel.eventLoop.makeCompletedFuture { try accept(channel) }
      }
    let address = coordinator.localAddress?.ipAddress
    let listener = address.flatMap { address in
      (try? SocketAddress(ipAddress: address, port: 0)).flatMap {
        try? bootstrap.bind(to: $0).wait()
      }
    }
    let listening = listener?.localAddress?.port.map {
      Listening(port: $0, fingerprint: locks?.fingerprint)
    }
    state.withLock {
      $0.relay = Relay(limits: limits, listening: listening)
      ($0.coordinator, $0.listener) = (coordinator, listener)
    }
  }

  /// The coordinator said something.
  func received(_ message: CoordinatorMessage) {
    if case .welcome(let welcome) = message {
      state.withLock { state in
        state.limits.heartbeat = welcome.heartbeat
        state.limits.heartbeatBound = welcome.heartbeatBound
        // Some updates of the largest kind: whoever is further behind is lost.
        state.limits.queued = 64 << 20 + 16 * welcome.floats
      }
    }
    perform { $0.received(message) }
  }

  /// The connection to the coordinator is gone: so are all others.
  func end() {
    let (listener, channels) = state.withLock { state in
      state.isOver = true
      let channels = Array(state.connections.values) + [state.successor?.channel].compactMap { $0 }
      return (state.listener, channels)
    }
    listener?.close(promise: nil)
    for channel in channels { channel.close(promise: nil) }
  }

  // MARK: Other workers

  private func accept(_ channel: any Channel) throws {
    let limits = state.withLock { $0.limits }
    let number = state.withLock { state in
      state.made += 1
      state.connections[state.made] = channel
      return state.made
    }
    perform { $0.accepted(connection: number) }
    if let locks {
      try channel.pipeline.syncOperations.addHandler(
        NIOSSLServerHandler(context: locks.accepted))
    }
    try channel.pipeline.syncOperations.addHandler(
      ConnectionHandler<LinkMessage>(
        limits: limits, introductionTimeout: limits.helloTimeout, isLocked: locks != nil,
        traffic: Traffic(), rate: LinkRate(),
        events: .init(
          message: { [self] _, message in perform { $0.received(message, from: number) } },
          closed: { [self] reason in
            state.withLock { $0.connections[number] = nil }
            perform { $0.closed(connection: number, reason: reason) }
          })))
  }

  private func connect(_ successor: Successor) {
    disconnect()
    let limits = state.withLock { $0.limits }
    let fingerprint = successor.listening.fingerprint
    // Nothing leaves unencrypted what came encrypted.
    guard (fingerprint == nil) == (locks == nil) else {
      return lost(successor, "it locks its connections in another way")
    }
    let bootstrap = ClientBootstrap(group: loop)
      .connectTimeout(TimeAmount(.limited(seconds: limits.connectTimeout)))
      .channelOption(.unsentBytes, value: unsentBytesMost)
      .channelOption(.writeBufferWaterMark, value: .parts)
      .channelInitializer { [self] channel in
        channel.eventLoop.makeCompletedFuture {
          if let locks, let fingerprint {
            try channel.pipeline.syncOperations.addHandler(
              TLS.handler(locks.made, to: fingerprint))
          }
          try channel.pipeline.syncOperations.addHandler(
            ConnectionHandler<LinkMessage>(
              limits: limits, introductionTimeout: nil, isLocked: locks != nil,
              traffic: Traffic(), rate: LinkRate(),
              events: .init(
                message: { _, _ in },
                closed: { [self] reason in
                  lost(successor, reason ?? "it was closed")
                })))
        }
      }
    let port = successor.listening.port
    guard let address = try? SocketAddress(ipAddress: successor.host, port: port) else {
      return lost(successor, "\(successor.host) is no address")
    }
    bootstrap.connect(to: address).whenComplete { [self] result in
      switch result {
      case .success(let channel):
        // It may have been told of another one in the meantime, or be gone.
        let isWanted = state.withLock { state in
          guard !state.isOver, state.relay.link == successor.link else { return false }
          state.successor = (successor.link, channel)
          return true
        }
        guard isWanted else { return channel.close(promise: nil) }
        perform { $0.connected(successor) }
      case .failure(let error):
        lost(
          successor,
          "\(NetworkError.connecting(successor.host, port, error, timeout: limits.connectTimeout))")
      }
    }
  }

  private func lost(_ successor: Successor, _ reason: String) {
    state.withLock { if $0.successor?.link == successor.link { $0.successor = nil } }
    perform { $0.failed(link: successor.link, reason: reason) }
  }

  private func disconnect() {
    let channel = state.withLock { state in
      defer { state.successor = nil }
      return state.successor?.channel
    }
    channel?.close(promise: nil)
  }

  // MARK: What is done

  private func perform(_ event: (inout Relay) -> [Relay.Action]) {
    let actions = state.withLock { $0.isOver ? [] : event(&$0.relay) }
    for action in actions { perform(action) }
  }

  private func perform(_ action: Relay.Action) {
    let (limits, coordinator, successor) = state.withLock {
      ($0.limits, $0.coordinator, $0.successor?.channel)
    }
    switch action {
    case .deliver(let message): mailbox.put(.message(message))
    case .tell(let message): coordinator?.send(message, limits)
    case .connect(let successor): connect(successor)
    case .disconnect: disconnect()
    case .handOn(let message): successor?.send(message, limits)
    case .close(let number, let reason):
      state.withLock { $0.connections[number] }?.request(.end(reason: reason))
    }
  }
}
