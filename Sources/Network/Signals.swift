import Foundation
import UnixSignals

/// SIGINT and SIGTERM as calls.
public enum Signals {
  /// Calls `handler` at the first SIGINT or SIGTERM, so that the program can end in good order.
  ///
  /// A second SIGINT ends it at once with status 130. To be called once.
  public static func onInterrupt(_ handler: @escaping @Sendable () -> Void) async {
    let signals = await UnixSignalsSequence(trapping: .sigint, .sigterm)
    Task.detached {
      var wasInterrupted = false
      for await signal in signals {
        if wasInterrupted, signal == .sigint { _exit(130) }
        if !wasInterrupted { handler() }
        wasInterrupted = true
      }
    }
  }
}
