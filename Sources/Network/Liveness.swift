import NIOCore
import Primitives
import Wire

/// Next to the socket: sends heartbeats, and ends a connection whose peer is silent, or takes
/// nothing of what waits to be sent, for longer than the bound.
///
/// Any byte is a sign of life.
final class Liveness: ChannelDuplexHandler {
  typealias InboundIn = ByteBuffer
  typealias InboundOut = ByteBuffer
  typealias OutboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer

  private let traffic: Traffic
  private let waitsForEver: Bool
  private var interval: TimeAmount
  private var bound: TimeAmount
  private var isStopped = false
  private var lastRead = NIODeadline.now()
  private var lastSent = NIODeadline.now()
  private var lastCheck = NIODeadline.now()
  /// Bytes given to the socket, and how many of them it had taken at `lastSent`.
  private var given = 0
  private var taken = 0

  /// - Parameter waitsForEver: the bound does not count.
  init(heartbeat: Double, bound: Double, waitsForEver: Bool, traffic: Traffic) {
    self.waitsForEver = waitsForEver
    interval = TimeAmount(seconds: heartbeat)
    self.bound = TimeAmount(seconds: bound)
    self.traffic = traffic
  }

  /// Takes on what the coordinator's welcome asks for.
  func adopt(heartbeat: Double, bound: Double) {
    interval = TimeAmount(seconds: heartbeat)
    self.bound = TimeAmount(seconds: bound)
  }

  func channelActive(context: ChannelHandlerContext) {
    lastRead = .now()
    lastSent = .now()
    lastCheck = .now()
    beat(context)
    if !waitsForEver { check(context) }
    context.fireChannelActive()
  }

  func channelInactive(context: ChannelHandlerContext) {
    isStopped = true
    context.fireChannelInactive()
  }

  func handlerRemoved(context: ChannelHandlerContext) { isStopped = true }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    lastRead = .now()
    traffic.received.add(unwrapInboundIn(data).readableBytes, ordering: .relaxed)
    context.fireChannelRead(data)
  }

  func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
    let count = unwrapOutboundIn(data).readableBytes
    given += count
    traffic.sent.add(count, ordering: .relaxed)
    context.write(data, promise: promise)
  }

  private func beat(_ context: ChannelHandlerContext) {
    context.eventLoop.assumeIsolated().scheduleTask(in: interval) { [self] in
      guard !isStopped else { return }
      write(context: context, data: wrapOutboundOut(OutgoingMessage.heartbeat), promise: nil)
      context.flush()
      beat(context)
    }
  }

  private func check(_ context: ChannelHandlerContext) {
    let period = TimeAmount.nanoseconds(max(bound.nanoseconds / 30, 1_000_000))
    // The next check would be too late.
    let most = bound - period
    context.eventLoop.assumeIsolated().scheduleTask(in: period) { [self] in
      guard !isStopped else { return }
      let now = NIODeadline.now()
      // A check that comes late means that this process stood still: the peer is not to blame.
      let late = now - lastCheck - period
      lastCheck = now
      if late.nanoseconds > bound.nanoseconds / 10 {
        lastRead = lastRead + late
        lastSent = lastSent + late
      }
      let buffered = (try? context.channel.syncOptions?.getOption(.bufferedWritableBytes)) ?? 0
      if buffered == 0 || given - buffered > taken { lastSent = now }
      taken = given - buffered
      if now - lastRead > most {
        fail("silent for \((now - lastRead).shortSeconds)", context)
      } else if now - lastSent > most {
        fail("took none of what was sent for \((now - lastSent).shortSeconds)", context)
      } else {
        check(context)
      }
    }
  }

  private func fail(_ reason: String, _ context: ChannelHandlerContext) {
    isStopped = true
    context.fireErrorCaught(NetworkError(reason))
  }
}
