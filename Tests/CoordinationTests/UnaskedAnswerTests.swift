import Coordination
import Testing
import Wire

/// An answer counts only from a ready worker, for a unit that was given to it.
@Suite struct UnaskedAnswerTests {
  /// A run of two workers after its first update, and a third peer that has only said hello.
  private func table(verify: Double = 0) -> (RulesTable, stranger: PeerID) {
    var table = RulesTable(steps: 8, perUpdate: 2, minimum: 2, verify: verify)
    let workers = [table.join(), table.join()]
    let stranger = table.join(ready: false)
    while table.rules.updatesApplied < 1 {
      for worker in workers { table.answer(worker) }
    }
    return (table, stranger)
  }

  /// Weights that are gone, present and to come, also by a rollback.
  private static let versions =
    [0, 1, 2, -1, Int.max].map { WeightsVersion(update: $0) }
    + [1, -1, Int.max, Int.min].map { WeightsVersion(rollback: $0, update: 0) }

  /// Steps done, under way and to come; weights that are gone, present and to come.
  @Test(arguments: [0, 1, 2, 3, 7, 1000, -1, Int.min], UnaskedAnswerTests.versions)
  func `A gradient from a peer that is not ready puts it out, and does nothing else`(
    _ step: Int, _ version: WeightsVersion
  ) {
    for verify in [0.0, 1] {
      var (table, stranger) = table(verify: verify)
      let before = (table.outcome, table.tasks.filter { $0.key != stranger })
      table.send(stranger, .step(step), version: version, digest: VerifiedRunTests.wrong)
      #expect(table.loss(of: 3) == "answered step \(step) before it was ready")
      #expect(table.tasks[stranger] == nil && !table.wasRolledBack)
      #expect(before == (table.outcome, table.tasks))
      table.finish()
      #expect(table.ending == .finished && !table.wasRolledBack)
    }
  }

  @Test(arguments: [0, 1, 2, 3, 7, 1000, -1, Int.min], UnaskedAnswerTests.versions)
  func `So does one from a worker that was not given the step with those weights`(
    _ step: Int, _ version: WeightsVersion
  ) {
    for verify in [0.0, 1] {
      var (table, stranger) = table(verify: verify)
      table.perform(table.rules.ready(stranger, .none, now: table.now))
      let isGiven = table.tasks[stranger]?.contains(.step(step)) == true
      let wasGiven = version == .init(update: 1) && isGiven
      table.send(stranger, .step(step), version: version, digest: VerifiedRunTests.wrong)
      if wasGiven { continue }
      #expect(table.loss(of: 3) == "answered step \(step), which it was not given")
      #expect(!table.wasRolledBack)
      table.finish()
      #expect(table.ending == .finished && !table.wasRolledBack)
    }
  }

  @Test func `Totals of validation are no better`() {
    for isReady in [false, true] {
      var table = RulesTable(epochs: 2, steps: 2, perUpdate: 2, validation: 2, minimum: 2)
      let workers = [table.join(), table.join()]
      for worker in workers { table.answer(worker) }
      #expect(table.tasks[workers[0]] == [.validation(0)])
      let stranger = table.join(ready: isReady)
      table.send(stranger, .validation(0), version: .init(update: 1), loss: 1e9)
      #expect(table.loss(of: 3)?.contains("answered validation batch 0") == true)
      #expect(!table.log.contains(.keep(stranger, .validation(0))))
      table.finish()
      #expect(table.ending == .finished)
    }
  }

  @Test func `A second answer to the same unit is one too many`() {
    var (table, _) = table()
    let worker = PeerID(raw: 0)
    let unit = table.tasks[worker]?.first
    table.answer(worker)
    if let unit { table.send(worker, unit, version: .init(update: 1)) }
    #expect(table.loss(of: 1)?.contains("which it was not given") == true)
    #expect(!table.wasRolledBack)
  }

  /// Newer weights may be on their way when a worker answers; once, and in order.
  @Test func `A late answer to what it was given is none of its faults`() {
    var table = RulesTable(steps: 4, perUpdate: 2, minimum: 2)
    let (first, second) = (table.join(), table.join())
    table.answer(first)
    table.wait(.seconds(11))
    table.answer(second)
    #expect(table.rules.updatesApplied == 1 && table.weights[first] == .init(update: 1))
    table.send(first, .step(1), version: .init(update: 0))
    #expect(table.loss(of: 1) == nil)
    table.send(first, .step(1), version: .init(update: 0))
    #expect(table.loss(of: 1)?.contains("which it was not given") == true)
  }

  @Test func `Ready twice, ready before hello, and hello twice`() {
    var table = RulesTable(steps: 8, perUpdate: 2, minimum: 2)
    let twice = table.join()
    table.perform(table.rules.ready(twice, .none, now: table.now))
    #expect(table.loss(of: 1) == "said ready out of turn")
    let early = PeerID(raw: 900)
    table.perform(table.rules.opened(early, address: "host:900", now: table.now))
    table.perform(table.rules.ready(early, .none, now: table.now))
    #expect(table.log.contains(.action(.refuse(early, reason: "it said ready out of turn"))))
    let again = table.join()
    let hello = Hello(version: "1", name: "w", process: 9, threads: 1, kernels: "baseline")
    table.say(again, hello)
    #expect(table.loss(of: 2) == "said hello twice")
    #expect(table.rules.readyWorkers == 0)
  }

  @Test func `After its leave a worker has nothing to say, and its connection goes`() {
    var (table, _) = table()
    let worker = PeerID(raw: 0)
    let unit = table.tasks[worker]?.first ?? .step(0)
    table.perform(table.rules.dismiss(worker, reason: "it left the run", now: table.now))
    #expect(table.log.contains(.action(.close(worker))))
    let before = table.log
    table.send(worker, unit, version: .init(update: 1), digest: VerifiedRunTests.wrong)
    table.perform(table.rules.ready(worker, .none, now: table.now))
    #expect(table.log == before)
  }
}
