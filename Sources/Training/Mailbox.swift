import Foundation

/// A queue between threads: anybody puts, one thread takes and sleeps while there is nothing.
public final class Mailbox<Item: Sendable>: @unchecked Sendable {
  private let condition = NSCondition()
  private var items: [Item] = []

  /// Empty.
  public init() {}

  /// Appends `item` and wakes the thread that waits.
  public func put(_ item: Item) {
    condition.lock()
    items.append(item)
    condition.signal()
    condition.unlock()
  }

  /// The oldest item; waits for one at most `timeout`, for ever where that is nil.
  ///
  /// - Returns: nil when nothing came in time.
  public func next(timeout: Duration? = nil) -> Item? {
    let deadline = timeout.map { Date(timeIntervalSinceNow: $0 / .seconds(1)) }
    condition.lock()
    defer { condition.unlock() }
    while items.isEmpty {
      guard let deadline else {
        condition.wait()
        continue
      }
      if !condition.wait(until: deadline), items.isEmpty { return nil }
    }
    return items.removeFirst()
  }
}
