import Glibc
import NIOCore
import NIOPosix
import Primitives
import Synchronization

/// The one thread that all sockets of this process are served by.
///
/// Nothing is computed on it: what arrives goes to a mailbox.
enum EventLoops {
  private static let loop = Mutex<(any EventLoop)?>(nil)

  /// Starts the thread with the first call.
  /// - Throws: `ThreadError`, or `NetworkError` where too few files can be open.
  static func shared() throws -> any EventLoop {
    try loop.withLock { loop in
      if let loop { return loop }
      try requireDescriptors()
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

extension EventLoops {
  /// What a run with a few workers opens.
  ///
  /// SwiftNIO traps where it cannot have three to wait with, and accepts nobody where there is
  /// none.
  private static let descriptorsLeast = 32

  private static func requireDescriptors() throws(NetworkError) {
    let descriptors = (0..<descriptorsLeast).map { _ in open("/dev/null", O_RDONLY | O_CLOEXEC) }
    defer { for descriptor in descriptors where descriptor >= 0 { close(descriptor) } }
    guard descriptors.allSatisfy({ $0 >= 0 }) else {
      throw NetworkError(
        "too few file descriptors are left for sockets: raise the limit of open files (ulimit -n) "
          + "to 64 or more",
        mayPass: true)
    }
  }
}

extension Duration {
  /// The time by the clock of the event loops.
  static var uptime: Duration { .nanoseconds(Int64(clamping: NIODeadline.now().uptimeNanoseconds)) }
}

extension NIODeadline {
  /// When the clock of the event loops will say `uptime`, and not a part of a nanosecond before.
  static func uptime(_ uptime: Duration) -> NIODeadline {
    let (seconds, attoseconds) = uptime.components
    let nanoseconds = (attoseconds + 999_999_999) / 1_000_000_000
    return .uptimeNanoseconds(UInt64(seconds) * 1_000_000_000 + UInt64(nanoseconds))
  }
}
