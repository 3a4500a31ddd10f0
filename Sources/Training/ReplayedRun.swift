import Engine
import Foundation
import Primitives
import Wire

/// A worker that computes nothing: it sends the recorded gradient layer by layer, when computing it
/// would have come so far, and sleeps where it would make an update.
///
/// All else is as in a worker that computes: what it sends and receives is encoded and decoded.
final class ReplayedRun: StepComputer {
  let welcome: Welcome
  let layout: GradientLayout
  let parts: [GradientPart]
  var replica: Replica
  private let recording: Recording

  /// - Throws: where the coordinator's welcome brings no recording.
  init(_ welcome: Welcome, kernels: KernelSet) throws {
    self.welcome = welcome
    let (architecture, optimizer) = try welcome.run()
    layout = GradientLayout(architecture.parameters, batch: welcome.batchSize)
    recording = try Recording(welcome.probe, layout, pictures: welcome.batchSize)
    try MemoryNeed.replaying(
      architecture, optimizer: optimizer, batch: welcome.batchSize,
      steps: welcome.batchesPerUpdate
    ).check("the coordinator's benchmark")
    parts = layout.parts(most: welcome.partFloats)
    replica = try Replica(optimizer, layout, welcome, threads: 1, kernels: kernels)
    replica.replayed = ReplayedUpdates(
      time: recording.update, digests: recording.script.digests)
  }

  func answer(_ probe: [Data]) -> ProbeAnswer { recording.answer }

  func prefetch(_ work: Work) {}

  /// The gradient itself: it is there, and nobody writes to it.
  func gradientBuffer() -> ParameterBuffer { recording.gradient }

  func gradient(
    _ pictures: [Int], step: Int, into gradient: ParameterBuffer, ready: ((String) -> Void)?
  ) -> Engine.Totals {
    let script = recording.script
    let alarm = Alarm()
    for moment in script.moments {
      alarm.wait(seconds: script.step * moment.fraction)
      ready?(moment.layer)
    }
    alarm.wait(seconds: script.step)
    var totals = Engine.Totals()
    totals.loss = Double(bitPattern: script.loss)
    (totals.correct, totals.count) = (script.correct, script.count)
    return totals
  }

  func evaluate(_ pictures: [Int]) -> Engine.Totals {
    var totals = Engine.Totals()
    totals.count = pictures.count
    return totals
  }
}

/// The updates of a run that is replayed: each takes its time, and what they come to is known.
struct ReplayedUpdates: Sendable {
  /// What an update takes.
  let time: Duration
  /// Of the weights after 0, 1, 2 and so on updates.
  let digests: [Digest]

  /// Takes the time of an update, and makes none.
  func make(_ state: inout ModelState) {
    Alarm().wait(seconds: time / .seconds(1))
    state.updates += 1
  }

  /// The digest of the weights after so many updates; nil where the run has fewer.
  func digest(after updates: Int) -> Digest? {
    digests.indices.contains(updates) ? digests[updates] : nil
  }
}

/// Sleeps until some time after it was made: however late one sleep ends, the next does not begin
/// later for it.
private struct Alarm {
  private let start: timespec

  init() {
    var now = timespec()
    clock_gettime(CLOCK_MONOTONIC, &now)
    start = now
  }

  /// Returns `seconds` after the beginning.
  func wait(seconds: Double) {
    let nanoseconds = start.tv_nsec + Int(seconds * 1e9)
    var deadline = timespec(
      tv_sec: start.tv_sec + nanoseconds / 1_000_000_000, tv_nsec: nanoseconds % 1_000_000_000)
    while clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &deadline, nil) == EINTR {}
  }
}
