import NIOCore
import Primitives
import Wire

/// One side of a connection: what it needs to know, and its handlers.
///
/// The end of the pipeline: gives each message on, and tells once why the connection ended.
final class Connection<Incoming: WireMessage>: ChannelDuplexHandler {
  typealias InboundIn = Incoming
  typealias OutboundIn = OutgoingMessage
  typealias OutboundOut = OutgoingMessage

  /// What the owner of a connection is told, on the event loop.
  struct Events {
    /// A message that is no heartbeat.
    var message: (any Channel, Incoming) -> Void
    /// The end, once, with one line that says why; or nil where this side closed it.
    var closed: (String?) -> Void
  }

  private let liveness: Liveness
  private let events: Events
  private let introductionTimeout: Double?
  private var isIntroduced = false
  private var isClosedHere = false
  private var reason: String?

  private init(liveness: Liveness, events: Events, introductionTimeout: Double?) {
    self.liveness = liveness
    self.events = events
    self.introductionTimeout = introductionTimeout
  }

  /// Puts the handlers of a new connection into `channel`.
  ///
  /// - Parameters:
  ///   - floats: the model's, where it is known.
  ///   - introductionTimeout: seconds for the peer's first message; nil for ever.
  ///   - waitsForEver: for a peer that is silent.
  static func configure(
    _ channel: any Channel, limits: Limits, floats: Int?, introductionTimeout: Double?,
    waitsForEver: Bool = false, traffic: Traffic, events: Events
  ) throws {
    let liveness = Liveness(
      heartbeat: limits.heartbeat, bound: limits.heartbeatBound, waitsForEver: waitsForEver,
      traffic: traffic)
    try channel.pipeline.syncOperations.addHandlers([
      liveness,
      ByteToMessageHandler(
        FrameDecoder<Incoming>(limits: limits, floats: floats, awaitsReady: floats != nil)),
      SendQueue(limits: limits),
      Connection(liveness: liveness, events: events, introductionTimeout: introductionTimeout),
    ])
  }

  func channelActive(context: ChannelHandlerContext) {
    if let introductionTimeout {
      context.eventLoop.assumeIsolated().scheduleTask(
        in: TimeAmount(seconds: introductionTimeout)
      ) { [self] in
        guard !isIntroduced else { return }
        end("sent no valid hello within \(introductionTimeout) s", context)
      }
    }
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    let message = unwrapInboundIn(data)
    if message.isHeartbeat { return }
    isIntroduced = true
    if case .welcome(let welcome)? = message as? CoordinatorMessage {
      liveness.adopt(heartbeat: welcome.heartbeat, bound: welcome.heartbeatBound)
    }
    events.message(context.channel, message)
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    end(NetworkError.summary(of: error), context, isStranger: error is WireError)
  }

  func channelInactive(context: ChannelHandlerContext) {
    isIntroduced = true
    events.closed(reason ?? (isClosedHere ? nil : "it closed the connection"))
    context.fireChannelInactive()
  }

  func triggerUserOutboundEvent(
    context: ChannelHandlerContext, event: Any, promise: EventLoopPromise<Void>?
  ) {
    if event is SendQueue.Close { isClosedHere = true }
    context.triggerUserOutboundEvent(event, promise: promise)
  }

  /// Closes; where the peer may only speak another version it is left a second to read ours.
  private func end(_ reason: String, _ context: ChannelHandlerContext, isStranger: Bool = false) {
    if !isClosedHere { self.reason = self.reason ?? reason }
    isIntroduced = true
    guard isStranger else { return context.close(promise: nil) }
    context.close(mode: .output, promise: nil)
    context.eventLoop.assumeIsolated().scheduleTask(in: .seconds(1)) { context.close(promise: nil) }
  }
}

extension ChannelOptions.Types.WriteBufferWaterMark {
  /// Two pieces of a body are with the socket, the rest waits in the `SendQueue`.
  static let pieces = Self(low: 1 << 20, high: 2 << 20)
}

extension AdaptiveRecvByteBufferAllocator {
  /// Large reads: 13.8 MB in a few dozen.
  static let pieces = Self(minimum: 16 << 10, initial: 64 << 10, maximum: 1 << 20)
}
