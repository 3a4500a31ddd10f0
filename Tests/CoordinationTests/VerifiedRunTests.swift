import Coordination
import Testing

/// Steps that two workers compute (`--verify`).
@Suite struct VerifiedRunTests {
  static let wrong = RulesTable.digest(-1)

  @Test func `Two workers compute a verified step, and equal answers are taken in once`() {
    var table = RulesTable(steps: 2, perUpdate: 2, validation: 0, verify: 1)
    let first = table.join()
    let second = table.join()
    #expect(table.tasks[first]?.first == .step(0))
    #expect(table.tasks[second]?.contains(.step(0)) == true)
    table.answer(first)
    #expect(table.outcome.isEmpty && !table.log.contains(.keep(first, .step(0))))
    table.finish()
    #expect(table.ending == .finished)
    #expect(table.outcome.first == "[step 0, step 1] applyUpdate(0, steps: Range(0..<2))")
  }

  @Test func `A third answer decides, and who was wrong is named and put out`() {
    var table = RulesTable(steps: 1, perUpdate: 1, validation: 0, verify: 1)
    let (bad, good, third) = (table.join(), table.join(), table.join())
    table.answer(bad, digest: Self.wrong)
    table.answer(good)
    #expect(table.outcome.isEmpty)
    #expect(table.tasks[third] == [.step(0)])
    table.answer(third)
    #expect(table.ending == .finished)
    #expect(table.tasks[bad] == nil)
    let lost = table.notes.contains {
      if case .lost(let identity, _, let reason) = $0, identity.number == 1 {
        reason.contains("makes errors")
      } else {
        false
      }
    }
    #expect(lost, "\(table.notes)")
  }

  @Test func `Two workers are asked again, and one that erred once is found`() {
    var table = RulesTable(steps: 1, perUpdate: 1, validation: 0, verify: 1)
    let (bad, good) = (table.join(), table.join())
    table.answer(bad, digest: Self.wrong)
    table.answer(good)
    #expect(table.ending == nil)
    table.finish()
    #expect(table.ending == .finished)
    #expect(table.tasks[bad] == nil && table.tasks[good] != nil)
  }

  @Test func `Two that insist wait for a third`() {
    var table = RulesTable(steps: 1, perUpdate: 1, validation: 0, verify: 1)
    let (bad, good) = (table.join(), table.join())
    for _ in 0..<6 {
      if table.tasks[bad]?.isEmpty == false {
        table.answer(bad, digest: Self.wrong)
      } else {
        table.answer(good)
      }
    }
    #expect(table.ending == nil && table.tasks[bad] == [] && table.tasks[good] == [])
    #expect(table.notes.last?.description.contains("another worker has to decide") == true)
    let third = table.join()
    table.answer(third)
    #expect(table.ending == .finished)
    #expect(table.tasks[bad] == nil && table.tasks[good] != nil)
  }

  @Test func `What a faulty worker's machine did unverified is taken out again`() {
    var calm = RulesTable(epochs: 2, steps: 40, perUpdate: 4, validation: 1)
    calm.join()
    calm.finish()
    var table = RulesTable(epochs: 2, steps: 40, perUpdate: 4, validation: 1, verify: 0.1)
    let bad = table.join()
    for _ in 0..<2 { table.join() }
    while table.ending == nil, table.tasks[bad] != nil {
      for peer in table.tasks.keys.sorted() {
        table.answer(peer, digest: peer == bad ? Self.wrong : nil)
      }
    }
    #expect(table.log.contains(.rollBack(before: 0)))
    table.finish()
    #expect(table.ending == .finished)
    // From there on as if nothing had been.
    #expect(table.outcome == calm.outcome)
  }

  @Test func `A worker that connects again is no second witness`() {
    var table = RulesTable(steps: 1, perUpdate: 1, validation: 0, verify: 1)
    let (bad, good) = (table.join(process: 1), table.join(process: 2))
    table.answer(bad, digest: Self.wrong)
    table.answer(good)
    table.lose(bad)
    let again = table.join(process: 1)
    table.answer(again, digest: Self.wrong)
    #expect(table.ending == nil && table.tasks[good] != nil)
    table.join()
    table.finish()
    #expect(table.ending == .finished)
    #expect(table.tasks[again] == nil && table.tasks[good] != nil)
  }

  @Test func `What a faulty worker did that has left is taken out as well`() throws {
    var table = RulesTable(steps: 400, perUpdate: 4, validation: 0, verify: 0.1)
    let (bad, good) = (table.join(process: 1), table.join(process: 2))
    var disputed: WorkUnit?
    while disputed == nil, table.ending == nil {
      for peer in [bad, good] {
        let before = table.tasks[peer]?.first
        table.answer(peer, digest: peer == bad ? Self.wrong : nil)
        // Asked once more: they differ.
        if peer == bad, let before, table.tasks[good]?.contains(before) == true {
          disputed = before
        }
      }
    }
    table.lose(bad)
    table.join()
    #expect(!table.wasRolledBack)
    table.finish()
    #expect(table.log.contains(.rollBack(before: 0)))
    #expect(table.ending == .finished)
    #expect(table.outcome.count == 101)
  }

  @Test func `Nothing is rolled back where every step was verified`() {
    var table = RulesTable(steps: 12, perUpdate: 3, verify: 1)
    let bad = table.join()
    for _ in 0..<2 { table.join() }
    while table.ending == nil, table.tasks[bad] != nil {
      for peer in table.tasks.keys.sorted() {
        table.answer(peer, digest: peer == bad ? Self.wrong : nil)
      }
    }
    table.finish()
    #expect(table.ending == .finished)
    #expect(!table.wasRolledBack)
  }

  @Test func `One worker alone computes twice`() {
    var table = RulesTable(steps: 2, perUpdate: 2, validation: 0, verify: 1)
    table.join()
    table.finish()
    #expect(table.ending == .finished)
    #expect(table.log.count { if case .action(.assign) = $0 { true } else { false } } == 4)
  }

  @Test func `Totals are compared as well as gradients`() {
    var table = RulesTable(steps: 1, perUpdate: 1, validation: 0, verify: 1)
    let (bad, good, third) = (table.join(), table.join(), table.join())
    table.answer(bad, loss: -1e300)
    table.answer(good)
    #expect(table.outcome.isEmpty && table.tasks[third] == [.step(0)])
    table.answer(third)
    #expect(table.ending == .finished)
    #expect(table.tasks[bad] == nil && table.tasks[good] != nil && table.tasks[third] != nil)
  }

  /// With one batch the answer that shows the fault is also the last of the epoch.
  @Test(arguments: [1, 2]) func `Totals of validation too`(batches: Int) {
    var table = RulesTable(steps: 1, perUpdate: 1, validation: batches, verify: 1)
    let (bad, good, third) = (table.join(), table.join(), table.join())
    while table.rules.updatesApplied < 1 {
      for peer in [bad, good, third] { table.answer(peer) }
    }
    while table.ending == nil {
      table.answer(bad, loss: 2)
      table.answer(good)
      table.answer(third)
    }
    #expect(table.ending == .finished)
    #expect(table.tasks[bad] == nil && table.tasks[good] != nil && table.tasks[third] != nil)
    #expect(table.loss(of: 1)?.contains("makes errors") == true)
  }

  @Test func `A fraction of validation batches is verified, another in each epoch`() {
    var table = RulesTable(epochs: 2, steps: 1, perUpdate: 1, validation: 40, verify: 0.3)
    table.join()
    table.join()
    table.finish()
    var (assigned, epochs): ([WorkUnit], [Set<WorkUnit>]) = ([], [])
    for action in table.log {
      switch action {
      case .action(.assign(_, let unit)): assigned.append(unit)
      case .applyUpdate, .action(.stop):
        epochs.append(Set(assigned.filter { unit in assigned.count { $0 == unit } > 1 }))
        assigned = []
      default: break
      }
    }
    let validated = epochs.filter { $0.contains { $0 > .step(.max - 1) } }
    #expect(validated.count == 2 && validated[0] != validated[1])
    for units in validated { #expect((4...24).contains(units.count), "\(units)") }
  }
}
