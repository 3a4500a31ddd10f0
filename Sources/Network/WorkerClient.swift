import NIOCore
import NIOPosix
import Primitives
import Synchronization
import Training
import Wire

/// A worker's side of its connection: puts what the coordinator says into a mailbox.
///
/// One connection and no second try: whoever wants one connects anew, with a new mailbox. Any
/// thread may call it.
public final class WorkerClient: CoordinatorLink {
  private let channel: any Channel
  private let lock: ClientLock
  private let limits: Limits
  private let rate: LinkRate
  private let relay: WorkerRelay

  /// Connects, and agrees on TLS where the lock wants that.
  ///
  /// - Parameters:
  ///   - lock: what the coordinator asks for, and is asked for.
  ///   - waitsForEver: for a coordinator that is silent, as one that was stopped (Ctrl-Z) and may
  ///     go on.
  ///   - mailbox: the worker's. `closed` comes when the connection ends, but not after `close()`.
  /// - Throws: `NetworkError`: nobody listens there, no such name, no answer in time, or whoever
  ///   listens there is not whom it looks for; `ThreadError`.
  public init(
    host: String, port: Int, lock: ClientLock, limits: Limits = .standard,
    waitsForEver: Bool = false, mailbox: Mailbox<WorkerInput>
  ) throws {
    let loop = try EventLoops.shared()
    let rate = LinkRate()
    let tls = try lock.fingerprint.map { (try TLS.context(), $0) }
    let relay = try WorkerRelay(
      isLocked: tls != nil, limits: limits, loop: loop, mailbox: mailbox)
    let opening = Opening()
    let bootstrap = ClientBootstrap(group: loop)
      .resolver(KnownAddresses(of: host, port: port, on: loop))
      .connectTimeout(TimeAmount(.limited(seconds: limits.connectTimeout)))
      .channelOption(.unsentBytes, value: unsentBytesMost)
      .channelOption(.writeBufferWaterMark, value: .parts)
      .channelOption(.recvAllocator, value: AdaptiveRecvByteBufferAllocator.parts)
      .channelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          if let (context, fingerprint) = tls {
            try channel.pipeline.syncOperations.addHandler(
              TLS.handler(context, to: fingerprint))
          }
          try channel.pipeline.syncOperations.addHandler(
            ConnectionHandler<CoordinatorMessage>(
              limits: limits, introductionTimeout: nil, waitsForEver: waitsForEver,
              isLocked: tls != nil, traffic: Traffic(), rate: rate,
              events: .init(
                opened: { opening.end(nil) },
                message: { _, message in relay.received(message) },
                closed: { reason in
                  relay.end()
                  guard !opening.end(reason ?? "") else { return }
                  switch reason {
                  case Preface.speaksTLS?: mailbox.put(.refused(reason: Preface.speaksTLS))
                  case let reason?: mailbox.put(.closed(reason: "lost the coordinator: \(reason)"))
                  case nil: break
                  }
                })))
        }
      }
    do {
      channel = try bootstrap.connect(host: host, port: port).wait()
    } catch {
      throw NetworkError.connecting(host, port, error, timeout: limits.connectTimeout)
    }
    if let reason = opening.wait() { throw NetworkError.joining(host, port, reason) }
    self.lock = lock
    self.limits = limits
    self.rate = rate
    self.relay = relay
    relay.begin(channel)
  }

  /// Sends in order, without waiting; where the connection is gone it does nothing.
  public func send(_ message: WorkerMessage) { channel.send(stamped(message), limits) }

  /// A hello says what this connection's coordinator asks for.
  private func stamped(_ message: WorkerMessage) -> WorkerMessage {
    guard case .hello(var hello) = message else { return message }
    hello.secret = lock.secret
    return .hello(hello)
  }

  /// What the connection carries in a second; nil until that was measured.
  public var bytesPerSecond: Double? { rate.bytesPerSecond }

  /// Closes the connection once what was sent has left, or after the heartbeat's bound.
  public func close() { channel.request(.close) }

  /// Waits until the connection is closed, at most for the heartbeat's bound: before the process
  /// ends, so that its last message leaves.
  public func waitUntilClosed() {
    let channel = channel
    let bound = TimeAmount(.limited(seconds: limits.heartbeatBound))
    let deadline = channel.eventLoop.scheduleTask(in: bound) { channel.close(promise: nil) }
    _ = try? channel.closeFuture.wait()
    deadline.cancel()
  }
}

/// What becomes of a connection that is being made: it can be used, or is gone.
private final class Opening: Sendable {
  private let outcome = Mailbox<String?>()
  private let isOver = Atomic(false)

  /// Says what became of it.
  /// - Parameter failure: nil where it can be used.
  /// - Returns: false where that was said before.
  @discardableResult
  func end(_ failure: String?) -> Bool {
    guard !isOver.exchange(true, ordering: .relaxed) else { return false }
    outcome.put(failure)
    return true
  }

  /// Waits for the outcome, to which the connection's own rules give a bound.
  /// - Returns: why it is gone; nil where it can be used.
  func wait() -> String? {
    while true { if let outcome = outcome.next() { return outcome } }
  }
}
