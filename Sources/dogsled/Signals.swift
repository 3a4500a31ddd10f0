import Dispatch
import Foundation

/// Turns SIGINT and SIGTERM into calls for as long as it lives.
final class Signals {
  private let sources: [any DispatchSourceSignal]

  /// Calls `handler` on a queue of its own for every signal.
  init(_ handler: @escaping @Sendable () -> Void) {
    let queue = DispatchQueue(label: "signals")
    sources = [SIGINT, SIGTERM].map { number in
      signal(number, SIG_IGN)
      let source = DispatchSource.makeSignalSource(signal: number, queue: queue)
      source.setEventHandler(handler: handler)
      source.resume()
      return source
    }
  }

  deinit { sources.forEach { $0.cancel() } }
}
