import NIOCore
import Synchronization

/// What a connection carries in a second, as the kernel has measured it.
///
/// Linux notes at each acknowledgement how quickly what was acknowledged was delivered
/// (tcpi_delivery_rate of TCP_INFO, since Linux 4.9), and whether there was always more to send:
/// a few packets alone may pass quicker than the link can carry many.
final class LinkRate: Sendable {
  /// TCP_INFO as far as the delivery rate: 21 words, of which byte 7 has the application's limit in
  /// its lowest bit, and the last word the rate.
  private struct Information: Sendable {
    var head: UInt64 = 0
    // swift-format-ignore
    var middle: (
      UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64,
      UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64
    ) = (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
    var rate: UInt64 = 0
  }

  private static let tcpInformation = NIOBSDSocket.Option(rawValue: 11)

  private let measured = Atomic<UInt64>(0)
  private let isLoopback = Atomic<Bool>(false)

  /// Nil until something was measured; without a limit where the peer is this machine.
  var bytesPerSecond: Double? {
    if isLoopback.load(ordering: .relaxed) { return .infinity }
    let rate = measured.load(ordering: .relaxed)
    return rate == 0 ? nil : Double(rate)
  }

  /// Asks the kernel, on the channel's event loop.
  func measure(_ channel: any Channel) {
    if let peer = channel.remoteAddress?.ipAddress, peer == channel.localAddress?.ipAddress {
      return isLoopback.store(true, ordering: .relaxed)
    }
    guard let provider = channel as? any SocketOptionProvider else { return }
    let answer: EventLoopFuture<Information> = provider.unsafeGetSocketOption(
      level: .tcp, name: Self.tcpInformation)
    answer.whenSuccess { [self] information in
      let hadMoreToSend = information.head >> 56 & 1 == 0
      if hadMoreToSend { measured.store(information.rate, ordering: .relaxed) }
    }
  }
}

extension ChannelOption where Self == ChannelOptions.Types.SocketOption {
  /// How much the kernel may hold that it has not sent (TCP_NOTSENT_LOWAT, since Linux 3.12).
  static var unsentBytes: Self { .tcpOption(.init(rawValue: 25)) }
}

/// So little that what is urgent never waits long in the kernel, so much that the link never idles.
let unsentBytesMost: SocketOptionValue = 128 << 10
