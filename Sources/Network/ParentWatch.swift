import Foundation

/// Ends a worker process when the coordinator that launched it is gone, also when that was killed.
public enum ParentWatch {
  /// Set by `LocalWorkers` in the environment of a worker whose standard input is a pipe that ends
  /// with its coordinator.
  public static let variable = "DOGSLED_PARENT_PIPE"

  /// Watches the pipe on a thread of its own, where there is one; at its end the process exits with
  /// status 1.
  public static func start() {
    guard ProcessInfo.processInfo.environment[variable] != nil else { return }
    Thread.detachNewThread {
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
