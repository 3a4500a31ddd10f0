import Coordination
import Testing

/// Workers whose connection lives and that do not answer.
@Suite struct PatienceTests {
  /// Two workers that have computed some steps in 100 ms each.
  private func table(verify: Double = 0, perUpdate: Int = 2) -> (RulesTable, PeerID, PeerID) {
    var table = RulesTable(
      epochs: 2, steps: 40, perUpdate: perUpdate, minimum: 2, verify: verify)
    let (mute, good) = (table.join(), table.join())
    for _ in 0..<6 {
      table.now += .milliseconds(100)
      table.answer(mute)
      table.answer(good)
    }
    return (table, mute, good)
  }

  @Test(arguments: [1, 2, 7])
  func `A verified step does not wait for ever for a worker that is mute`(perUpdate: Int) {
    var (table, mute, good) = table(verify: 1, perUpdate: perUpdate)
    for _ in 0..<20 { table.answer(good) }
    #expect(table.tasks[mute]?.isEmpty == false && table.ending == nil)
    table.wait(.seconds(9))
    #expect(table.tasks[mute] != nil)
    let waits = table.notes.contains {
      if case .awaited(_, worker: 1, _, let most) = $0 { most == .seconds(10) } else { false }
    }
    #expect(waits, "\(table.notes)")
    table.wait(.seconds(2))
    #expect(table.loss(of: 1)?.contains("has not answered for 1") == true)
    #expect(table.log.contains(.action(.close(mute))) && table.tasks[good] != nil)
    table.finish()
    #expect(table.ending == .finished && !table.wasRolledBack)
  }

  @Test
  func `One that has never answered gets more time, one that nobody can be held to still more`() {
    for (othersAnswer, seconds) in [(true, 60), (false, 300)] {
      var table = RulesTable(steps: 40, perUpdate: 1, minimum: 2, verify: 1)
      let (mute, good) = (table.join(), table.join())
      for second in 0..<seconds + 2 {
        // It may be given the step once more.
        if othersAnswer { table.answer(good) }
        #expect((table.tasks[mute] == nil) == (second > seconds), "after \(second) s")
        table.wait(.seconds(1))
      }
      table.finish()
      #expect(table.ending == .finished)
    }
  }

  @Test func `A validation batch does not wait for ever either`() {
    for verify in [0.0, 1] {
      var table = RulesTable(steps: 4, perUpdate: 4, validation: 4, minimum: 2, verify: verify)
      let (mute, good) = (table.join(), table.join())
      while table.rules.updatesApplied < 1 {
        table.now += .milliseconds(100)
        table.answer(mute)
        table.answer(good)
      }
      for _ in 0..<10 { table.answer(good) }
      table.wait(.seconds(11))
      for _ in 0..<10 { table.answer(good) }
      table.finish()
      #expect(table.ending == .finished)
      #expect(table.tasks[mute] == nil && table.tasks[good] != nil)
    }
  }

  @Test func `Whoever is four times or forty times as slow stays`() {
    for factor in [4, 40] {
      var table = RulesTable(epochs: 2, steps: 40, perUpdate: 2, minimum: 2, verify: 1)
      let (slow, good) = (table.join(), table.join())
      while table.ending == nil {
        for _ in 0..<factor {
          table.wait(.milliseconds(500))
          table.answer(good)
        }
        table.answer(slow)
      }
      #expect(table.ending == .finished)
      #expect(table.loss(of: 1) == nil && table.loss(of: 2) == nil)
    }
  }

  @Test func `Time in which nobody looked counts little`() {
    var (table, mute, _) = table(verify: 1)
    table.now += .seconds(900)
    table.perform(table.rules.tick(now: table.now))
    #expect(table.tasks[mute] != nil && table.loss(of: 1) == nil)
  }

  @Test func `Whoever stands still no longer than the heartbeat's bound stays`() {
    var table = RulesTable(
      steps: 40, perUpdate: 2, minimum: 2, verify: 1, heartbeatBound: .seconds(30))
    let (stopped, good) = (table.join(), table.join())
    for _ in 0..<6 {
      table.now += .milliseconds(100)
      table.answer(stopped)
      table.answer(good)
    }
    table.wait(.seconds(29))
    #expect(table.loss(of: 1) == nil && table.loss(of: 2) == nil)
    table.finish()
    #expect(table.ending == .finished)
  }

  @Test func `The only worker is waited for, which is said once`() {
    var table = RulesTable(steps: 4, perUpdate: 2)
    let worker = table.join()
    table.wait(.seconds(1000))
    #expect(table.tasks[worker] == [.step(0), .step(1)])
    let count = table.notes.count { if case .awaited = $0 { true } else { false } }
    #expect(count == 1)
    // Another one comes: now somebody can take over.
    table.join()
    table.wait(.seconds(1))
    #expect(table.tasks[worker] == nil)
    table.finish()
    #expect(table.ending == .finished)
  }

  @Test func `Of workers that are all mute one stays`() {
    var table = RulesTable(steps: 4, perUpdate: 4, minimum: 3)
    for _ in 0..<3 { table.join() }
    table.wait(.seconds(1000))
    #expect(table.rules.readyWorkers == 1 && table.ending == nil)
    table.finish()
    #expect(table.ending == .finished)
  }
}
