import Coordination
import Logging
import NIOCore
import NIOSSL
import Primitives
import Synchronization
import Training
import Wire

/// The peers of a `CoordinatorServer`: performs what `Admission` says of them, and puts what
/// workers say into the coordinator's mailbox.
///
/// Any thread may call it.
final class ServerPeers: Sendable {
  private struct State {
    var admission: Admission
    var channels: [PeerID: any Channel] = [:]
    var rates: [PeerID: LinkRate] = [:]
    var next = 0
    /// Of the lines about strangers there are few.
    var lines = LineLimit<String, String>()
    var saysLeftOut = false
  }

  let limits: Limits
  let traffic = Traffic()
  /// Nil where nothing is encrypted.
  private let tls: NIOSSLContext?
  private let mailbox: Mailbox<CoordinatorInput>
  private let logger: Logger
  private let loop: any EventLoop
  private let state: Mutex<State>

  /// - Throws: `NetworkError` where the lock's key cannot be used.
  init(
    lock: ServerLock, limits: Limits, mailbox: Mailbox<CoordinatorInput>, logger: Logger,
    loop: any EventLoop
  ) throws {
    tls = if case .key(let key) = lock { try TLS.context(key) } else { nil }
    self.limits = limits
    self.mailbox = mailbox
    self.logger = logger
    self.loop = loop
    state = Mutex(State(admission: Admission(limits: limits, secret: lock.secret)))
  }

  /// What the slowest connection of a worker carries in a second; nil until one was measured.
  var bytesPerSecond: Double? {
    state.withLock { state in
      state.rates.filter { state.admission.isWorker($0.key) }
        .compactMap(\.value.bytesPerSecond).min()
    }
  }

  /// Where a worker connects from; nil for one that is none, or is gone.
  func place(of peer: PeerID) -> PeerPlace? {
    let rate = state.withLock { $0.rates[peer] }?.bytesPerSecond
    guard let channel = worker(peer), let address = channel.remoteAddress else { return nil }
    return PeerPlace(
      host: Endpoint(address).host,
      isThisMachine: address.ipAddress == channel.localAddress?.ipAddress, bytesPerSecond: rate)
  }

  /// The connection of a worker; nil for one that is none, or is gone.
  func worker(_ peer: PeerID) -> (any Channel)? {
    state.withLock { $0.admission.isWorker(peer) ? $0.channels[peer] : nil }
  }

  /// Notes that a worker is asked to go.
  /// - Returns: its connection; nil where it is no worker, or gone.
  func dismiss(_ peer: PeerID) -> (any Channel)? {
    state.withLock { state in
      guard state.admission.isWorker(peer) else { return nil }
      state.admission.leaves(peer)
      return state.channels[peer]
    }
  }

  /// The run is over.
  /// - Returns: all that are connected.
  func end() -> [any Channel] {
    state.withLock { state in
      state.admission.end()
      return Array(state.channels.values)
    }
  }

  /// Puts the handlers of a new connection into `channel`.
  func accept(_ channel: any Channel) throws {
    let address = channel.remoteAddress.map { "\(Endpoint($0))" } ?? "an unknown address"
    let host = channel.remoteAddress?.ipAddress ?? ""
    let rate = LinkRate()
    let (peer, eviction) = state.withLock { state in
      let peer = PeerID(raw: state.next)
      state.next += 1
      state.channels[peer] = channel
      state.rates[peer] = rate
      return (peer, state.admission.connected(peer))
    }
    perform(eviction)
    if let tls {
      try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: tls))
    }
    try channel.pipeline.syncOperations.addHandler(
      ConnectionHandler<WorkerMessage>(
        limits: limits, introductionTimeout: limits.helloTimeout, isLocked: tls != nil,
        traffic: traffic, rate: rate,
        events: .init(
          message: { [self] channel, message in
            heard(message, from: peer, host: host, address, channel)
          },
          closed: { [self] reason in closed(peer, address, reason) })))
  }

  private func heard(
    _ message: WorkerMessage, from peer: PeerID, host: String, _ address: String,
    _ channel: any Channel
  ) {
    var message = message
    let action = state.withLock {
      $0.admission.heard(message, from: peer, host: host, now: .uptime)
    }
    switch action {
    case .deliver: break
    case .announce(let readyBy, let evicted):
      perform(evicted)
      expectReady(peer, by: readyBy, channel)
      mailbox.put(.opened(peer, address: address))
      // Nobody else needs it.
      if case .hello(var hello) = message {
        hello.secret = nil
        message = .hello(hello)
      }
    case .putOff(let reason): return channel.request(.end(reason: reason))
    case .turnAway(let reason):
      if let refusal = try? OutgoingMessage(CoordinatorMessage.refuse(reason: reason)) {
        channel.writeAndFlush(refusal, promise: nil)
      }
      return channel.request(.close)
    }
    mailbox.put(.message(peer, message))
  }

  private func closed(_ peer: PeerID, _ address: String, _ reason: String?) {
    let departure = state.withLock { state in
      state.channels[peer] = nil
      state.rates[peer] = nil
      return state.admission.closed(peer, reason: reason)
    }
    switch departure {
    case .worker(let reason): mailbox.put(.closed(peer, reason: reason))
    case .stranger(let reason): warn(of: address, reason)
    }
  }

  private func perform(_ eviction: Admission.Eviction?) {
    guard let eviction, let channel = state.withLock({ $0.channels[eviction.peer] }) else { return }
    channel.request(.end(reason: eviction.reason))
  }

  private func expectReady(_ peer: PeerID, by time: Duration, _ channel: any Channel) {
    let bound = channel.eventLoop.scheduleTask(deadline: .uptime(time)) { [self] in
      perform(state.withLock { $0.admission.overdue(peer, now: .uptime) })
    }
    channel.closeFuture.whenComplete { _ in bound.cancel() }
  }
}

// MARK: What is said of strangers

extension ServerPeers {
  /// Logs that a stranger was turned away.
  private func warn(of address: String, _ reason: String) {
    // What comes behind a colon, and numbers, are the stranger's.
    let kind = reason.prefix { $0 != ":" }.filter { !$0.isNumber }
    let line = "rejected \(address): \(reason)"
    let (passes, isFirst) = state.withLock { state in
      let passes = state.lines.passes(line, kind: kind, now: .uptime)
      defer { state.saysLeftOut = state.saysLeftOut || !passes }
      return (passes, !passes && !state.saysLeftOut)
    }
    if passes { logger.warning("\(line)") }
    guard isFirst else { return }
    loop.scheduleTask(in: TimeAmount(LineLimit<String, String>.span)) { [self] in sayLeftOut() }
  }

  /// Logs how many lines were left out.
  func sayLeftOut(isLast: Bool = false) {
    let lines = state.withLock { state in
      state.saysLeftOut = false
      return state.lines.leftOut(now: .uptime, isLast: isLast)
    }
    for left in lines { logger.warning("\(left.line)\(left.others)") }
  }
}
