import NIOCore
import NIOTLS
import Wire

/// Drives the `ConnectionState` of one socket: tells it what happens, and does what it says.
///
/// The last handler of its channel, and the only one but for TLS.
final class ConnectionHandler<Incoming: WireMessage>: ChannelDuplexHandler {
  typealias InboundIn = ByteBuffer
  typealias OutboundIn = OutgoingMessage
  typealias OutboundOut = ByteBuffer

  /// What the owner of a connection is told, on the event loop.
  struct Events {
    /// It may be used: it is there, and TLS is agreed on where that is wanted.
    var opened: () -> Void = {}
    /// A message that is no heartbeat.
    var message: (any Channel, Incoming) -> Void
    /// The end, once, with one line that says why; or nil where this side closed it.
    var closed: (String?) -> Void
  }

  /// What may be written before it is given to the socket: whether that takes more is known then.
  private static var unflushedMost: Int { 128 << 10 }

  private let events: Events
  private let isLocked: Bool
  private let traffic: Traffic
  private let rate: LinkRate
  private var state: ConnectionState
  private var reader: FrameReader<Incoming>
  private var isPumping = false
  /// Bytes that were written and not flushed.
  private var unflushed = 0
  private var wake: (at: Duration, task: Scheduled<Void>)?

  /// The handler of a new connection.
  ///
  /// - Parameters:
  ///   - introductionTimeout: seconds for the peer's first message; nil for ever.
  ///   - waitsForEver: for a peer that is silent.
  ///   - isLocked: whether the handler before it speaks TLS.
  init(
    limits: Limits, introductionTimeout: Double?, waitsForEver: Bool = false, isLocked: Bool,
    traffic: Traffic, rate: LinkRate, events: Events
  ) {
    self.events = events
    self.isLocked = isLocked
    self.traffic = traffic
    self.rate = rate
    state = ConnectionState(
      limits: limits, introductionTimeout: introductionTimeout, waitsForEver: waitsForEver)
    reader = FrameReader(limits: limits)
  }

  // MARK: What the socket does

  func channelActive(context: ChannelHandlerContext) {
    if isLocked {
      state.connected(now: .uptime)
      scheduleWake(context)
    } else {
      open(context)
    }
    context.fireChannelActive()
  }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    if case .handshakeCompleted? = event as? TLSUserEvent { open(context) }
    context.fireUserInboundEventTriggered(event)
  }

  private func open(_ context: ChannelHandlerContext) {
    let now = Duration.uptime
    write(state.opened(now: now), context)
    flush(context)
    events.opened()
    pump(now, context)
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    let bytes = unwrapInboundIn(data)
    traffic.received.add(bytes.readableBytes, ordering: .relaxed)
    let now = Duration.uptime
    guard state.received(now: now) == .decode else { return }
    reader.append(bytes)
    read(now, context)
    scheduleWake(context)
  }

  func channelWritabilityChanged(context: ChannelHandlerContext) {
    pump(.uptime, context)
    context.fireChannelWritabilityChanged()
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    perform(state.failed(NetworkError.summary(of: error)), context)
  }

  func channelInactive(context: ChannelHandlerContext) {
    do {
      try reader.finish()
    } catch {
      _ = state.misunderstood(NetworkError.summary(of: error), now: .uptime)
    }
    wake?.task.cancel()
    if case .report(let reason) = state.closed() { events.closed(reason) }
    context.fireChannelInactive()
  }

  // MARK: What the owner wants

  func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
    perform(state.send(unwrapOutboundIn(data)), .uptime, context)
  }

  func triggerUserOutboundEvent(
    context: ChannelHandlerContext, event: Any, promise: EventLoopPromise<Void>?
  ) {
    switch event as? ConnectionRequest {
    case .close:
      let now = Duration.uptime
      perform(state.close(now: now), now, context)
    case .end(let reason): perform(state.failed(reason), context)
    case nil: context.triggerUserOutboundEvent(event, promise: promise)
    }
  }

  // MARK: What is done

  private func read(_ now: Duration, _ context: ChannelHandlerContext) {
    do {
      while let message = try reader.next() {
        switch state.received(message, now: now) {
        case .deliver: events.message(context.channel, message)
        case .ignore: break
        case .drop: return
        }
      }
    } catch {
      perform(state.misunderstood(NetworkError.summary(of: error), now: now), context)
    }
  }

  private func pump(_ now: Duration, _ context: ChannelHandlerContext) {
    guard !isPumping, context.channel.isActive else { return }
    isPumping = true
    defer { isPumping = false }
    pumping: while context.channel.isWritable {
      switch state.write(now: now) {
      case .frame(let frame):
        write(frame, context)
        // What the socket takes at once makes room for more.
        if !context.channel.isWritable || unflushed >= Self.unflushedMost { flush(context) }
      case .closeOutput:
        flush(context)
        context.close(mode: .output, promise: nil)
      case .none:
        flush(context)
        break pumping
      }
    }
    scheduleWake(context)
  }

  private func write(_ frame: OutgoingFrame, _ context: ChannelHandlerContext) {
    traffic.sent.add(frame.byteCount, ordering: .relaxed)
    unflushed += frame.byteCount
    for bytes in frame.buffers { context.write(wrapOutboundOut(bytes), promise: nil) }
  }

  private func flush(_ context: ChannelHandlerContext) {
    unflushed = 0
    context.flush()
  }

  private func perform(
    _ action: ConnectionState.SendAction, _ now: Duration, _ context: ChannelHandlerContext
  ) {
    switch action {
    case .write: pump(now, context)
    case .close: context.close(promise: nil)
    case .drop: break
    }
  }

  private func perform(_ action: ConnectionState.FailureAction, _ context: ChannelHandlerContext) {
    switch action {
    case .close: context.close(promise: nil)
    case .closeOutput:
      context.close(mode: .output, promise: nil)
      scheduleWake(context)
    case .none: break
    }
  }

  private func tick(_ context: ChannelHandlerContext) {
    rate.measure(context.channel)
    let unsent = (try? context.channel.syncOptions?.getOption(.bufferedWritableBytes)) ?? 0
    switch state.tick(now: .uptime, unsent: unsent) {
    case .heartbeat(let frame):
      write(frame, context)
      flush(context)
    case .close: context.close(promise: nil)
    case .none: break
    }
    scheduleWake(context)
  }

  /// Has the one timer go off when the state wants it.
  private func scheduleWake(_ context: ChannelHandlerContext) {
    guard let at = state.wakeAt, wake.map({ at < $0.at }) ?? true else { return }
    wake?.task.cancel()
    let task = context.eventLoop.assumeIsolated().scheduleTask(deadline: .uptime(at)) { [self] in
      wake = nil
      tick(context)
    }
    wake = (at, task)
  }
}

/// What the owner of a connection may ask its channel for, as an outbound event.
enum ConnectionRequest: Sendable {
  /// To close, after all messages before it.
  case close
  /// To close at once.
  case end(reason: String)
}

extension Channel {
  /// Sends, after what was sent before and is as urgent.
  func send(_ message: some WireMessage, _ limits: Limits) {
    do {
      writeAndFlush(try OutgoingMessage(message, limits: limits), promise: nil)
    } catch {
      // At once: the fault is this side's own, and it has nothing more that the peer should read.
      request(.end(reason: NetworkError.summary(of: error)))
    }
  }

  func request(_ request: ConnectionRequest) { triggerUserOutboundEvent(request, promise: nil) }
}

extension ChannelOptions.Types.WriteBufferWaterMark {
  /// Two parts are with the socket, the rest waits in the connection's queue, where what is urgent
  /// overtakes it.
  static let parts = Self(low: 64 << 10, high: 128 << 10)
}

extension AdaptiveRecvByteBufferAllocator {
  /// Large reads: a gradient in a few.
  static let parts = Self(minimum: 16 << 10, initial: 64 << 10, maximum: 1 << 20)
}
