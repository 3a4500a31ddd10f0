import Dispatch

/// A thread that performs one job after another; it ends when this object is gone and all are done.
///
/// Any thread may call it.
package final class SerialThread: Sendable {
  private let jobs = Mailbox<(@Sendable () -> Void)?>()

  /// - Throws: where the thread cannot be had.
  package init(_ name: String) throws(ThreadError) {
    try OwnThread.start(name, stackSize: 8 << 20) { [jobs] in
      while case .some(.some(let job)) = jobs.next() { job() }
    }
  }

  deinit { jobs.put(nil) }

  /// Performs `job` after those that were asked for before, and does not wait.
  package func perform(_ job: @escaping @Sendable () -> Void) { jobs.put(job) }

  /// Waits until all that was asked for is done.
  package func wait() {
    let done = DispatchSemaphore(value: 0)
    jobs.put { done.signal() }
    done.wait()
  }
}
