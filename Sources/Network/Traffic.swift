import Synchronization

/// Bytes counted over all connections of a process.
final class Traffic: Sendable {
  let received = Atomic<Int>(0)
  let sent = Atomic<Int>(0)
}
