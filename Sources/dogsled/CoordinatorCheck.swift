import Network
import Primitives
import Training
import Wire

/// Whether a worker on this machine would reach a coordinator, and find it to be the right one.
struct CoordinatorCheck {
  let choice: CoordinatorChoice

  /// Tries each of its addresses; nothing is asked of the coordinator, and nobody joins.
  /// - Returns: a line each, and whether one will do.
  func run() -> (lines: [String], isReached: Bool) {
    var limits = Limits.standard
    limits.connectTimeout = 3
    var isReached = false
    let lines = choice.endpoints.map { endpoint -> String in
      let clock = ContinuousClock()
      let start = clock.now
      do {
        let client = try WorkerClient(
          host: endpoint.host, port: endpoint.port, lock: choice.lock, limits: limits,
          mailbox: Mailbox<WorkerInput>())
        let milliseconds = Int((clock.now - start) / .milliseconds(1))
        client.close()
        client.waitUntilClosed()
        isReached = true
        let key = if case .key = choice.lock { ", and its key is the token's" } else { "" }
        return "\(endpoint): a coordinator, reached in \(milliseconds) ms\(key)"
      } catch {
        return "\(endpoint): \(error)"
      }
    }
    return (lines, isReached)
  }
}
