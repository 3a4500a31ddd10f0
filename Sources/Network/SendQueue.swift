import NIOCore
import Wire

/// Messages that wait to be sent: bodies go to the socket a few pieces at a time, so that a
/// heartbeat finds its way between them and one body's memory serves all peers.
final class SendQueue: ChannelDuplexHandler {
  typealias InboundIn = NIOAny
  typealias InboundOut = NIOAny
  typealias OutboundIn = OutgoingMessage
  typealias OutboundOut = ByteBuffer

  /// Asks, after all messages before it, to close the connection.
  struct Close: Sendable {}

  /// How long the peer may take to close its side after ours.
  private static let linger = TimeAmount.seconds(2)

  private let limit: Int
  private var queue = CircularBuffer<OutgoingMessage>()
  private var queued = 0
  private var isPumping = false
  private var isClosing = false

  init(limits: Limits) { limit = limits.queued }

  func channelActive(context: ChannelHandlerContext) {
    context.writeAndFlush(wrapOutboundOut(Preface.bytes), promise: nil)
    context.fireChannelActive()
    pump(context)
  }

  /// Drops what comes after this side has said its last: the peer is only waited for.
  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    if !isClosing { context.fireChannelRead(data) }
  }

  func channelWritabilityChanged(context: ChannelHandlerContext) {
    pump(context)
    context.fireChannelWritabilityChanged()
  }

  func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
    let message = unwrapOutboundIn(data)
    guard !isClosing else { return }
    queue.append(message)
    queued += message.byteCount
    pump(context)
    if queued > limit {
      context.fireErrorCaught(NetworkError("\(queued) bytes wait to be sent: it is too slow"))
    }
  }

  func triggerUserOutboundEvent(
    context: ChannelHandlerContext, event: Any, promise: EventLoopPromise<Void>?
  ) {
    guard event is Close else {
      context.triggerUserOutboundEvent(event, promise: promise)
      return
    }
    isClosing = true
    pump(context)
  }

  private func pump(_ context: ChannelHandlerContext) {
    guard !isPumping, context.channel.isActive else { return }
    isPumping = true
    while !queue.isEmpty, context.channel.isWritable {
      while context.channel.isWritable, let frame = nextFrame() {
        context.write(wrapOutboundOut(frame.head), promise: nil)
        if let piece = frame.piece { context.write(wrapOutboundOut(piece), promise: nil) }
      }
      context.flush()
    }
    isPumping = false
    if isClosing, queue.isEmpty { finish(context) }
  }

  private func nextFrame() -> OutgoingMessage.Frame? {
    while !queue.isEmpty {
      let before = queue[queue.startIndex].byteCount
      if let frame = queue[queue.startIndex].next() {
        queued -= before - queue[queue.startIndex].byteCount
        return frame
      }
      queue.removeFirst()
    }
    return nil
  }

  /// Closes this side, so that the peer reads all that was sent before it sees the end; closing
  /// both at once could throw it away.
  private func finish(_ context: ChannelHandlerContext) {
    context.close(mode: .output, promise: nil)
    context.eventLoop.assumeIsolated().scheduleTask(in: Self.linger) {
      context.close(promise: nil)
    }
  }
}
