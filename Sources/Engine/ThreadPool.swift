import Foundation
import Primitives
import Synchronization

/// Threads that do the jobs of a step together with their caller.
///
/// A step has some dozens of parallel parts of about a millisecond, too short for Dispatch's
/// wake-ups: a thread without a job first spins for a while, then sleeps. Which thread does which
/// job is chance, so a job's result must not depend on it. One caller at a time.
package final class ThreadPool: Sendable {
  /// Threads that work, the caller of `run` included.
  package let threads: Int
  private let board = Board()

  /// - Throws: where one of the threads cannot be had; those that were started end.
  package init(threads: Int) throws(ThreadError) {
    self.threads = max(1, threads)
    for index in 1..<self.threads {
      // The thread holds the board and not the pool, so that the pool can go.
      try OwnThread.start("step \(index)", of: self.threads) { [board] in
        board.workUntilStopped(thread: index)
      }
    }
  }

  deinit { board.stop() }

  /// Calls `body(job, thread)` once for each job of 0..<jobs; returns when all are done.
  /// - Parameter body: `thread` is below `threads`, and no two calls at one time share it.
  package func run(_ jobs: Int, _ body: (_ job: Int, _ thread: Int) -> Void) {
    precondition(jobs < 1 << 20, "more jobs than a ticket can count")
    if threads == 1 || jobs == 1 {
      for job in 0..<jobs { body(job, 0) }
    } else if jobs > 0 {
      withoutActuallyEscaping(body) { board.run(jobs, $0) }
    }
  }
}

/// What the pool's threads share.
private final class Board: @unchecked Sendable {
  // In one word, so that a late thread never pairs one run's count with another's next job: 24
  // bits that count the runs, 20 for the jobs of the current run, 20 for those handed out.
  private let ticket = Atomic<UInt64>(0)
  private let done = Atomic<UInt64>(0)
  private let sleepers = Atomic<Int>(0)
  private let stopped = Atomic<Bool>(false)
  private let condition = NSCondition()
  // Written only between runs; read only by who holds a ticket of the current one.
  private var body: ((Int, Int) -> Void)?

  private let spinsMax = 4000

  func run(_ count: Int, _ body: @escaping (Int, Int) -> Void) {
    self.body = body
    done.store(0, ordering: .relaxed)
    let run = ticket.load(ordering: .relaxed) >> 40 + 1
    ticket.store(run << 40 | UInt64(count) << 20, ordering: .sequentiallyConsistent)
    if sleepers.load(ordering: .sequentiallyConsistent) > 0 {
      condition.lock()
      condition.broadcast()
      condition.unlock()
    }
    work(thread: 0)
    var spins = 0
    while done.load(ordering: .acquiring) < UInt64(count) {
      spins += 1
      if spins > spinsMax { sched_yield() }
    }
    // No ticket of this run is left, and the threads see that before the next count.
    self.body = nil
  }

  func stop() {
    condition.lock()
    stopped.store(true, ordering: .sequentiallyConsistent)
    condition.broadcast()
    condition.unlock()
  }

  /// Takes jobs of the current run until none is left.
  private func work(thread: Int) {
    while true {
      let current = ticket.load(ordering: .acquiring)
      let job = current & 0xf_ffff
      guard job < current >> 20 & 0xf_ffff else { return }
      // Fails where another took the job, or where a new run has begun since the load.
      let (taken, _) = ticket.compareExchange(
        expected: current, desired: current + 1, ordering: .acquiringAndReleasing)
      if taken {
        call(Int(job), thread)
        done.add(1, ordering: .acquiringAndReleasing)
      }
    }
  }

  /// Its reference to `body` is gone when it returns: the caller of `run` must be the last who
  /// holds it once all jobs count as done.
  @inline(never) private func call(_ job: Int, _ thread: Int) { body?(job, thread) }

  func workUntilStopped(thread: Int) {
    var seen: UInt64 = 0
    var spins = 0
    while !stopped.load(ordering: .relaxed) {
      let run = ticket.load(ordering: .acquiring) >> 40
      if run != seen {
        seen = run
        work(thread: thread)
        spins = 0
      } else {
        spins += 1
        if spins > spinsMax { sleep(seen) }
      }
    }
  }

  /// Sleeps until a run after `seen` begins, or the end.
  private func sleep(_ seen: UInt64) {
    condition.lock()
    sleepers.add(1, ordering: .sequentiallyConsistent)
    while ticket.load(ordering: .sequentiallyConsistent) >> 40 == seen,
      !stopped.load(ordering: .sequentiallyConsistent)
    {
      condition.wait()
    }
    sleepers.subtract(1, ordering: .sequentiallyConsistent)
    condition.unlock()
  }
}
