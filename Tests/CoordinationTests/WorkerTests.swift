import Coordination
import Testing
import Wire

/// A worker's state by itself.
@Suite struct WorkerTests {
  private static let old = WeightsVersion(update: 0)
  private static let new = WeightsVersion(update: 1)

  private static func seconds(_ count: Int) -> Duration { .seconds(count) }

  private static func progress() -> WorkerProgress {
    WorkerProgress(WorkerProcess(number: 1, machine: "m"))
  }

  @Test func `A worker is ready once, and only when it is welcome`() {
    var worker = Worker(address: "host:1")
    let wasReady = [worker.getReady()]
    #expect(worker.process == nil)
    worker.introduce(as: "w")
    worker.welcome(as: 3, WorkerProcess(number: 1, machine: "m"))
    #expect(worker.number == 3 && worker.activity == "was getting ready")
    #expect(wasReady + [worker.getReady(), worker.getReady()] == [false, true, false])
    #expect(worker.isReady)
    #expect(worker.activity == "had nothing to do")
    #expect(worker.process == WorkerProcess(number: 1, machine: "m"))
  }

  @Test func `The next unit begins when one is done`() {
    var progress = Self.progress()
    #expect(progress.isIdle && progress.debt == nil)
    progress.assign(.step(0), Self.old, now: .zero, time: .zero)
    progress.assign(.step(1), Self.old, now: .zero, time: Self.seconds(1))
    #expect(progress.description == "had step 0 to compute, step 1 to follow")
    #expect(progress.debt?.since == .zero)
    progress.announce()
    #expect(progress.debt?.isAnnounced == true)
    let time = Self.seconds(4)
    let duration = progress.finish(.step(0), Self.old, now: time, time: time)
    #expect(duration == time)
    #expect(progress.queue.map(\.since) == [time])
    #expect(progress.debt?.since == time && progress.debt?.isAnnounced == false)
    let again = progress.finish(.step(0), Self.old, now: time, time: time)
    let last = progress.finish(.step(1), Self.old, now: time * 2, time: time * 2)
    #expect(again == nil && last == time)
    #expect(progress.isIdle && progress.pace.slowest == time)
  }

  @Test func `What newer weights make void may be answered once, and in order`() {
    var progress = Self.progress()
    for step in 0..<2 { progress.assign(.step(step), Self.old, now: .zero, time: .zero) }
    progress.makeVoid()
    // Nobody waits for what it may have dropped.
    #expect(progress.queue.isEmpty && !progress.isIdle && progress.debt == nil)
    progress.assign(.step(2), Self.new, now: Self.seconds(1), time: Self.seconds(1))
    #expect(progress.queue.map(\.unit) == [.step(2)])
    #expect(progress.standing(of: .step(0), Self.old) == .void)
    #expect(progress.standing(of: .step(2), Self.new) == .assigned)
    #expect(progress.standing(of: .step(2), Self.old) == nil)
    #expect(progress.debt?.since == Self.seconds(1))
    // It is at what it began first.
    #expect(progress.expected(Self.seconds(3), now: Self.seconds(1)) == Self.seconds(3 + 2 + 3))
    progress.finishVoid(.step(1), Self.old, now: Self.seconds(2), time: Self.seconds(2))
    #expect(progress.standing(of: .step(0), Self.old) == nil)
    #expect(progress.queue.map(\.since) == [Self.seconds(2)])
    #expect(progress.pace.slowest == Self.seconds(2))
  }

  @Test func `An answer for newer weights ends what was void`() {
    var progress = Self.progress()
    progress.assign(.step(0), Self.old, now: .zero, time: .zero)
    progress.makeVoid()
    #expect(progress.description == "was finishing what is no longer needed")
    #expect(!progress.isIdle)
    progress.assign(.step(1), Self.new, now: .zero, time: .zero)
    _ = progress.finish(.step(1), Self.new, now: .zero, time: .zero)
    #expect(progress.isIdle && progress.standing(of: .step(0), Self.old) == nil)
  }

  /// A worker that has not begun what others answered drops it, and never answers.
  @Test func `Who confirms the weights has answered or dropped all that is void`() {
    var progress = Self.progress()
    progress.confirm(now: .zero, time: .zero)
    progress.assign(.step(0), Self.old, now: .zero, time: .zero)
    progress.advance(time: Self.seconds(1))
    #expect(!progress.isIdle && progress.unanswered == 1)
    #expect(progress.weightsSince == Self.seconds(1))
    progress.assign(.step(1), Self.new, now: Self.seconds(1), time: Self.seconds(1))
    progress.confirm(now: Self.seconds(2), time: Self.seconds(2))
    #expect(progress.queue.map(\.unit) == [.step(1)] && progress.queue[0].since == Self.seconds(2))
    #expect(progress.standing(of: .step(0), Self.old) == nil && progress.weightsSince == nil)
    let duration = progress.finish(
      .step(1), Self.new, now: Self.seconds(3), time: Self.seconds(3))
    #expect(duration == Self.seconds(1) && progress.isIdle && progress.unanswered == 0)
  }

  @Test func `Who strays has nothing to do; the third time is too often`() {
    var progress = Self.progress()
    progress.assign(.step(0), Self.old, now: .zero, time: .zero)
    progress.assign(.step(1), Self.old, now: .zero, time: .zero)
    let first = progress.stray(time: Self.seconds(7))
    #expect(!first && progress.queue.isEmpty && progress.debt == nil)
    // It may have answered before it knew.
    #expect(progress.standing(of: .step(1), Self.old) == .void)
    #expect(!progress.holdsWeights && progress.weightsSince == Self.seconds(7))
    progress.confirm(now: .zero, time: .zero)
    #expect(progress.holdsWeights && progress.weightsSince == nil)
    #expect(progress.isIdle && progress.standing(of: .step(1), Self.old) == nil)
    progress.assign(.step(0), Self.old, now: .zero, time: .zero)
    #expect(progress.queue.map(\.unit) == [.step(0)])
    #expect(progress.standing(of: .step(0), Self.old) == .assigned)
    let others = [progress.stray(time: .zero), progress.stray(time: .zero)]
    #expect(others == [false, true])
  }
}
