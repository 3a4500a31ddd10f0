import NIOCore
import NIOPosix
import Primitives
import Training
import Wire

/// A worker's side of its connection: puts what the coordinator says into a mailbox.
///
/// One connection and no second try: whoever wants one connects anew, with a new mailbox. Any
/// thread may call it.
public final class WorkerClient: CoordinatorLink {
  private let channel: any Channel
  private let limits: Limits
  private let rate: LinkRate
  private let relay: WorkerRelay

  /// Connects.
  ///
  /// - Parameters:
  ///   - waitsForEver: for a coordinator that is silent, as one that was stopped (Ctrl-Z) and may
  ///     go on.
  ///   - mailbox: the worker's. `closed` comes when the connection ends, but not after `close()`.
  /// - Throws: `NetworkError`: nobody listens there, no such name, or no answer in time;
  ///   `ThreadError`.
  public init(
    host: String, port: Int, limits: Limits = .standard, waitsForEver: Bool = false,
    mailbox: Mailbox<WorkerInput>
  ) throws {
    let loop = try EventLoops.shared()
    let rate = LinkRate()
    let relay = WorkerRelay(limits: limits, loop: loop, mailbox: mailbox)
    let bootstrap = ClientBootstrap(group: loop)
      .resolver(KnownAddresses(of: host, port: port, on: loop))
      .connectTimeout(TimeAmount(.limited(seconds: limits.connectTimeout)))
      .channelOption(.unsentBytes, value: unsentBytesMost)
      .channelOption(.writeBufferWaterMark, value: .parts)
      .channelOption(.recvAllocator, value: AdaptiveRecvByteBufferAllocator.parts)
      .channelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          try channel.pipeline.syncOperations.addHandler(
            ConnectionHandler<CoordinatorMessage>(
              limits: limits, introductionTimeout: nil, waitsForEver: waitsForEver,
              traffic: Traffic(), rate: rate,
              events: .init(
                message: { _, message in relay.received(message) },
                closed: { reason in
                  relay.end()
                  if let reason { mailbox.put(.closed(reason: "lost the coordinator: \(reason)")) }
                })))
        }
      }
    do {
      channel = try bootstrap.connect(host: host, port: port).wait()
    } catch {
      throw NetworkError.connecting(host, port, error, timeout: limits.connectTimeout)
    }
    self.limits = limits
    self.rate = rate
    self.relay = relay
    relay.begin(channel)
  }

  /// Sends in order, without waiting; where the connection is gone it does nothing.
  public func send(_ message: WorkerMessage) { channel.send(message, limits) }

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
