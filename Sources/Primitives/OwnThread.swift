import Foundation

/// A thread that cannot be had; another try may find room.
///
/// The machine, a container or `ulimit` allows no more of them, or no memory for the stack.
public struct ThreadError: Error, Hashable, Sendable, CustomStringConvertible {
  /// One line for the user.
  public let description: String
}

/// Threads whose start is checked.
///
/// Foundation's `Thread`, Dispatch's queues and Swift's tasks hide it where a thread cannot be
/// made: the work never runs, and who waits for it waits for ever. So this program makes every
/// thread here.
public enum OwnThread {
  /// Bytes of a thread's stack where the caller does not say, whatever `ulimit -s` does.
  public static let stackSize = 1 << 20

  /// Runs `body` on a new thread, and does not wait for it.
  ///
  /// - Parameters:
  ///   - name: for debuggers; 15 bytes of it are seen.
  ///   - count: how many of its kind are asked for.
  /// - Throws: where the thread cannot be made; `body` never runs then.
  public static func start(
    _ name: String, of count: Int = 1, stackSize: Int = stackSize,
    _ body: @escaping @Sendable () -> Void
  ) throws(ThreadError) {
    var attributes = pthread_attr_t()
    var code = pthread_attr_init(&attributes)
    if code == 0 {
      defer { pthread_attr_destroy(&attributes) }
      pthread_attr_setstacksize(&attributes, stackSize)
      pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
      let start = Unmanaged.passRetained(Start(name, body))
      var thread = pthread_t()
      code = pthread_create(
        &thread, &attributes,
        { argument in
          guard let argument else { return nil }
          let start = Unmanaged<Start>.fromOpaque(argument).takeRetainedValue()
          // Linux takes no longer name.
          Thread.current.name = String(start.name.prefix(15))
          start.body()
          return nil
        }, start.toOpaque())
      if code != 0 { start.release() }
    }
    guard code == 0 else {
      let place = count > 1 ? ", one of \(count)," : ""
      throw ThreadError(
        description: "the thread \"\(name)\"\(place) cannot be started beside the "
          + "\(running) that run (\(String(cString: strerror(code)))): ask for fewer with "
          + "--threads, or raise the limit of processes (ulimit -u, a container's pids limit) or "
          + "memory (ulimit -v)")
    }
  }
}

extension OwnThread {
  /// The threads that this process has.
  private static var running: Int {
    (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/task").count) ?? 1
  }
}

/// What a new thread is given.
private final class Start: Sendable {
  let name: String
  let body: @Sendable () -> Void

  init(_ name: String, _ body: @escaping @Sendable () -> Void) {
    (self.name, self.body) = (name, body)
  }
}
