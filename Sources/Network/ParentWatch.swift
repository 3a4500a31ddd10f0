import Foundation
import Primitives

/// Ends a worker process when the coordinator that launched it is gone, also when that was killed.
public enum ParentWatch {
  /// Set by `LocalWorkers` in the environment of a worker whose standard input is a pipe that ends
  /// with its coordinator.
  public static let variable = "DOGSLED_PARENT_PIPE"

  /// Whether `LocalWorkers` launched this process.
  public static var isLaunched: Bool { ProcessInfo.processInfo.environment[variable] != nil }

  /// Watches the pipe on a thread of its own, where there is one; at its end the process exits with
  /// status 1.
  /// - Throws: where the thread cannot be had.
  public static func start() throws(ThreadError) {
    guard isLaunched else { return }
    try OwnThread.start("parent") {
      var byte: UInt8 = 0
      while true {
        let count = read(STDIN_FILENO, &byte, 1)
        if count == 0 || (count < 0 && errno != EINTR) { break }
      }
      try? FileHandle.standardError.write(
        contentsOf: Data("dogsled: the coordinator is gone\n".utf8))
      _exit(1)
    }
  }
}
