import Foundation
import UnixSignals

/// SIGINT and SIGTERM as calls.
public enum Signals {
  /// From now on the first SIGINT or SIGTERM calls `handler`, so that the program can end in good
  /// order; a second SIGINT ends it at once with status 130. To be called once.
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
