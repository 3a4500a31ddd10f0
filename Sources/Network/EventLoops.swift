import NIOCore
import NIOPosix

/// The one thread that all sockets of this process are served by.
///
/// Nothing is computed on it: what arrives goes to a mailbox.
enum EventLoops {
  static let shared = MultiThreadedEventLoopGroup(numberOfThreads: 1)
}

extension TimeAmount {
  /// A time in seconds.
  init(seconds: Double) {
    self = .nanoseconds(Int64((min(max(seconds, 0), 1e9) * 1e9).rounded()))
  }

  /// The time in seconds, to one decimal, as messages give it.
  var shortSeconds: String {
    "\((Double(nanoseconds) / 1e8).rounded() / 10) s"
  }
}
