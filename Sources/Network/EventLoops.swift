import Engine
import NIOCore
import NIOPosix
import Synchronization
import Training

/// The one thread that all sockets of this process are served by.
///
/// Nothing is computed on it: what arrives goes to a mailbox.
enum EventLoops {
  private static let loop = Mutex<(any EventLoop)?>(nil)

  /// Starts the thread with the first call.
  /// - Throws: where it cannot be had.
  static func shared() throws(ThreadError) -> any EventLoop {
    try loop.withLock { loop throws(ThreadError) in
      if let loop { return loop }
      // A `MultiThreadedEventLoopGroup` that makes its own threads traps where it cannot.
      let made = Mailbox<any EventLoop>()
      try OwnThread.start("sockets") {
        MultiThreadedEventLoopGroup.withCurrentThreadAsEventLoop { made.put($0) }
      }
      while true {
        guard let started = made.next() else { continue }
        loop = started
        return started
      }
    }
  }
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
