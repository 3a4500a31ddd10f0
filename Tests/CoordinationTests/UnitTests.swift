import Coordination
import Primitives
import Testing
import Wire

/// Consecutive steps that one worker computes, and answers as one.
@Suite struct UnitTests {
  /// Workers on other machines, of which each has answered a step.
  private func table(
    _ count: Int, perUpdate: Int, verify: Double = 0, isDistant: Bool = true
  ) -> (RulesTable, [PeerID]) {
    var table = RulesTable(
      epochs: 1, steps: 4 * perUpdate, perUpdate: perUpdate, minimum: count, verify: verify)
    let workers = (0..<count).map { _ in table.join() }
    if isDistant { for worker in workers { table.perform(table.rules.listens(worker)) } }
    return (table, workers)
  }

  /// All compute side by side until the first update is applied; a slow one needs so many times as
  /// long as the others.
  private func finishUpdate(_ table: inout RulesTable, slow: [PeerID: Int] = [:]) {
    var round = 0
    while table.rules.updatesApplied == 0, table.ending == nil {
      round += 1
      table.now += .milliseconds(10)
      for peer in table.tasks.keys.sorted() where round % (slow[peer] ?? 1) == 0 {
        if table.rules.updatesApplied == 0 { table.answer(peer) }
      }
    }
  }

  private func units(_ table: RulesTable) -> [WorkUnit] {
    table.tasks.values.joined().sorted()
  }

  @Test(arguments: [
    (1, 8, [8]), (2, 8, [4, 4]), (3, 8, [2, 2, 2, 2]), (4, 4, [1, 1, 1, 1]),
    (2, 10, [4, 4, 2]), (1, 20, [8, 8, 4]), (8, 16, [2, 2, 2, 2, 2, 2, 2, 2]),
  ])
  func `Each worker on another machine gets neighbours`(
    _ workers: Int, _ perUpdate: Int, _ expected: [Int]
  ) {
    var (table, _) = table(workers, perUpdate: perUpdate)
    // Nothing is known of them yet.
    #expect(units(table).allSatisfy { $0.batches == 1 })
    finishUpdate(&table)
    let most = 2 * workers
    #expect(units(table).map(\.batches) == Array(expected.prefix(most)))
    #expect(units(table)[0] == .steps(perUpdate..<perUpdate + expected[0]))
    table.finish()
    #expect(table.ending == .finished)
  }

  @Test func `Workers of this machine get single steps`() {
    var (table, _) = table(2, perUpdate: 8, isDistant: false)
    finishUpdate(&table)
    #expect(units(table).allSatisfy { $0.batches == 1 })
  }

  @Test func `Where one is much slower, the others can do more`() {
    var (table, workers) = table(2, perUpdate: 8)
    finishUpdate(&table, slow: [workers[1]: 9])
    #expect(units(table).allSatisfy { $0.batches == 2 })
  }

  @Test func `A lost worker's unit goes to another as it is`() {
    var (table, workers) = table(2, perUpdate: 8)
    finishUpdate(&table)
    let unit = table.tasks[workers[1]]?.first
    #expect(unit?.batches == 4)
    table.lose(workers[1])
    #expect(table.tasks[workers[0]]?.last == unit)
    table.finish()
    #expect(table.ending == .finished)
    #expect(table.log.contains(.applyUpdate(1, steps: 8..<16)))
  }

  @Test func `A unit that workers disagree about is computed again as it was`() {
    var (table, workers) = table(2, perUpdate: 8)
    finishUpdate(&table)
    // One comes to no number; of two that compute it again one has left.
    table.answer(workers[0], loss: .nan)
    #expect(table.wasRolledBack)
    table.lose(workers[1])
    table.finish()
    let doubted = table.log.contains { deed in
      if case .action(.assign(_, .steps(0..<4))) = deed { true } else { false }
    }
    #expect(table.ending == .finished, "\(doubted)")
  }

  @Test func `A step belongs to the unit that a worker was given`() {
    var (table, workers) = table(2, perUpdate: 8)
    finishUpdate(&table)
    let version = table.rules.weightsVersion
    let unit = table.tasks[workers[1]]?.first
    for step in 12..<16 {
      #expect(table.rules.unit(of: workers[1], step: step, version) == unit)
    }
    #expect(table.rules.unit(of: workers[1], step: 11, version) == nil)
    #expect(table.rules.unit(of: workers[1], step: 12, .init(update: 0)) == nil)
    // Part of a unit is no answer to it.
    table.send(workers[1], .step(12), version: version)
    #expect(table.loss(of: 2)?.contains("which it was not given") == true)
  }
}
