import Foundation
import Primitives
import Synchronization

/// Stands between a worker and a coordinator, and keeps what goes by.
final class Tap: Sendable {
  let port: Int
  private let kept = Mutex<(up: [UInt8], down: [UInt8])>(([], []))
  private let deaf = Atomic(false)

  /// Listens on a free port of loopback, for one connection.
  init(to target: Int) throws {
    let (listener, port) = try RawSocket.listening()
    self.port = port
    Thread.detachNewThread { [self] in
      let worker = listener.accepted()
      guard let coordinator = try? RawSocket(port: target) else { return }
      Thread.detachNewThread { [self] in
        pass(coordinator, worker) { bytes in kept.withLock { $0.down += bytes } }
      }
      pass(worker, coordinator) { bytes in kept.withLock { $0.up += bytes } }
    }
  }

  /// What the worker sent, and what the coordinator did.
  var bytes: (up: [UInt8], down: [UInt8]) { kept.withLock { $0 } }

  /// Whether nothing goes by any more.
  var isDeaf: Bool {
    get { deaf.load(ordering: .relaxed) }
    set { deaf.store(newValue, ordering: .relaxed) }
  }

  private func pass(_ from: RawSocket, _ to: RawSocket, _ keep: ([UInt8]) -> Void) {
    while true {
      let bytes = from.receive(timeout: 60)
      guard bytes.readableBytes > 0 else { break }
      keep(Array(bytes.readableBytesView))
      if !isDeaf { to.send(bytes) }
    }
    to.closeOutput()
  }
}
