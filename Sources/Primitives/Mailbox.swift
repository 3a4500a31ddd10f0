import Dispatch
import Synchronization

/// A queue between threads: anybody puts, one thread takes and sleeps while there is nothing.
public final class Mailbox<Item: Sendable>: Sendable {
  private let items = Mutex<[Item]>([])
  /// Counts them; a wall clock that is set does not change how long it waits.
  private let count = DispatchSemaphore(value: 0)

  /// Empty.
  public init() {}

  /// Appends `item` and wakes the thread that waits.
  public func put(_ item: Item) {
    items.withLock { $0.append(item) }
    count.signal()
  }

  /// The oldest item; waits for one at most `timeout`, for ever where that is nil.
  ///
  /// - Returns: nil when nothing came in time.
  public func next(timeout: Duration? = nil) -> Item? {
    let deadline = timeout.map { .now() + $0 / .seconds(1) } ?? DispatchTime.distantFuture
    guard count.wait(timeout: deadline) == .success else { return nil }
    return items.withLock { $0.removeFirst() }
  }
}
