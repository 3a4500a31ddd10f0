import Foundation
import UnixSignals

/// SIGINT and SIGTERM as calls.
public enum Signals {
  /// Calls `handler` at the first two of SIGINT and SIGTERM, so that the program can end in good
  /// order.
  ///
  /// A third ends it at once with status 1. To be called once.
  public static func onInterrupt(_ handler: @escaping @Sendable () -> Void) async {
    let signals = await UnixSignalsSequence(trapping: .sigint, .sigterm)
    Task.detached {
      var count = 0
      for await _ in signals {
        count += 1
        if count > 2 { _exit(1) }
        handler()
      }
    }
  }
}
