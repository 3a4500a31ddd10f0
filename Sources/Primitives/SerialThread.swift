import Dispatch
import Synchronization

/// A thread that performs one job after another; it ends when this object is gone and all are done.
///
/// Any thread may call it.
package final class SerialThread: Sendable {
  private let jobs = Mailbox<(@Sendable () -> Void)?>()
  /// Jobs that were asked for and are not done.
  private let open = Counter()

  /// A number that threads share: an object, so that the thread holds it and not its owner.
  private final class Counter: Sendable {
    let count = Atomic<Int>(0)
  }

  /// - Throws: where the thread cannot be had.
  package init(_ name: String) throws(ThreadError) {
    try OwnThread.start(name, stackSize: 8 << 20) { [jobs, open] in
      while case .some(.some(let job)) = jobs.next() {
        job()
        // What the job wrote is seen by whoever sees that it is done.
        open.count.subtract(1, ordering: .releasing)
      }
    }
  }

  deinit { jobs.put(nil) }

  /// Performs `job` after those that were asked for before, and does not wait.
  package func perform(_ job: @escaping @Sendable () -> Void) {
    open.count.add(1, ordering: .relaxed)
    jobs.put(job)
  }

  /// Waits until all that was asked for is done.
  package func wait() {
    // Waking the thread would take longer than most of its jobs.
    if open.count.load(ordering: .acquiring) == 0 { return }
    let done = DispatchSemaphore(value: 0)
    perform { done.signal() }
    done.wait()
  }
}
