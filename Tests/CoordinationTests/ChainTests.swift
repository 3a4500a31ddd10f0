import Coordination
import Primitives
import Testing
import Wire

/// Who hands parts of updates on to whom, and what happens where a link breaks.
@Suite struct ChainTests {
  /// What was said of links since the start: from, to, number.
  private func links(_ table: RulesTable) -> [String] {
    table.log.compactMap { deed in
      switch deed {
      case .action(.handOn(let from, let to?, let link)): "\(from.raw)>\(to.raw) \(link)"
      case .action(.handOn(let from, nil, _)): "\(from.raw)>-"
      case .action(.resend(let peer, let since)): "again \(peer.raw) \(since)"
      case .action(.sendWeights(let peer)): "weights \(peer.raw)"
      default: nil
      }
    }
  }

  /// What was said of links by `body`.
  private func links(
    _ table: inout RulesTable, _ body: (inout RulesTable) -> Void
  ) -> [String] {
    table.log = []
    body(&table)
    return links(table)
  }

  /// Workers that hold the weights and listen, and whose links are there.
  private func chain(
    _ count: Int, verify: Double = 0, isUp: Bool = true, heartbeatBound: Duration = .seconds(3)
  ) -> (table: RulesTable, workers: [PeerID]) {
    var table = RulesTable(
      epochs: 2, steps: 8, perUpdate: 2, minimum: count, verify: verify,
      heartbeatBound: heartbeatBound)
    let workers = (0..<count).map { _ in table.join() }
    for worker in workers { table.perform(table.rules.listens(worker)) }
    if isUp { for link in 1..<count { report(&table, workers[link], link) } }
    return (table, workers)
  }

  private func report(
    _ table: inout RulesTable, _ peer: PeerID, _ link: Int, _ failure: String? = nil
  ) {
    table.perform(
      table.rules.linked(peer, LinkReport(link: link, failure: failure), now: table.now))
  }

  private func direct(_ table: RulesTable) -> [Int] {
    table.rules.directFollowers.map(\.raw)
  }

  @Test func `Each hands on to the next, once that one has its link`() {
    var (table, workers) = chain(3, isUp: false)
    #expect(links(table).filter { $0.contains(">") } == ["0>1 1", "1>2 2"])
    #expect(direct(table) == [0, 1, 2])
    report(&table, workers[2], 2)
    #expect(direct(table) == [0, 1])
    // Only its receiver can say so.
    report(&table, workers[0], 1)
    report(&table, workers[2], 1)
    #expect(direct(table) == [0, 1])
    report(&table, workers[1], 1)
    #expect(direct(table) == [0])
    #expect(table.rules.handsOn(workers[0]) && table.rules.handsOn(workers[1]))
    #expect(!table.rules.handsOn(workers[2]))
  }

  @Test func `Who does not listen is sent all by the coordinator`() {
    var table = RulesTable(minimum: 3)
    let workers = (0..<3).map { _ in table.join() }
    table.perform(table.rules.listens(workers[0]))
    table.perform(table.rules.listens(workers[2]))
    report(&table, workers[2], 1)
    #expect(links(table).filter { $0.contains(">") } == ["0>2 1"])
    #expect(direct(table) == [0, 1])
    #expect(table.rules.listens(PeerID(raw: 99)).isEmpty)
  }

  @Test func `Nobody is in the chain before it holds the weights`() {
    var (table, workers) = chain(2)
    table.holdsAtOnce = false
    let late = table.join()
    #expect(links(&table) { $0.perform($0.rules.listens(late)) } == [])
    #expect(links(&table) { $0.hold(late) } == ["1>2 2"])
    // Weights of before are a beginning, and no reason to hand anything on yet.
    let later = table.join()
    table.perform(table.rules.listens(later))
    table.answer(workers[0])
    table.answer(workers[1])
    #expect(links(&table) { $0.hold(later, at: .init(update: 0)) } == [])
    #expect(links(&table) { $0.hold(later, at: $0.rules.weightsVersion) } == ["2>3 3"])
  }

  @Test(arguments: [0, 1]) func `A link that breaks has its receiver sent what it may miss`(
    _ says: Int
  ) {
    var (table, workers) = chain(3)
    #expect(
      links(&table) { report(&$0, workers[says], 1, "reset") } == ["0>-", "again 1 0"])
    #expect(
      table.notes.map(\.description) == [
        "worker 2: it gets updates from the coordinator, since it has no link from worker 1: reset"
      ])
    #expect(direct(table) == [0, 1])
    // Told once; its other end has nothing to add, nor does anybody else.
    #expect(links(&table) { report(&$0, workers[1 - says], 1, "reset") } == [])
    #expect(links(&table) { report(&$0, workers[0], 2, "reset") } == [])
    // It is not tried again, and others may go: the rest hands on.
    #expect(links(&table) { $0.perform($0.rules.tick(now: $0.now)) } == [])
    #expect(links(&table) { $0.lose(workers[2]) } == ["1>-"])
  }

  @Test func `A link that cannot be made has nobody miss anything`() {
    var (table, workers) = chain(2, isUp: false)
    #expect(links(&table) { report(&$0, workers[0], 1, "refused") } == ["0>-"])
    // What is said of it later is of the past.
    #expect(links(&table) { report(&$0, workers[1], 1) } == [])
    #expect(direct(table) == [0, 1])
  }

  @Test func `Where a worker is lost, the one before it hands on to the one behind`() {
    var (table, workers) = chain(3)
    #expect(links(&table) { $0.lose(workers[1]) } == ["0>2 3", "again 2 0"])
    #expect(direct(table) == [0, 2])
    report(&table, workers[2], 2)
    #expect(direct(table) == [0, 2])
    report(&table, workers[2], 3)
    #expect(direct(table) == [0])
    #expect(links(&table) { $0.lose(workers[0]) }.contains("again 2 0"))
    #expect(direct(table) == [2])
  }

  @Test(arguments: [(1, "again 2 0"), (2, "weights 2")])
  func `Who is behind by an update is sent it again, by more all weights`(
    _ behind: Int, _ expected: String
  ) {
    var (table, workers) = chain(3, heartbeatBound: .seconds(60))
    // The third never says that it holds what is new, and what it is given others compute.
    while table.rules.updatesApplied < behind, table.now < .seconds(60) {
      for worker in workers.prefix(2) { table.answer(worker) }
      table.wait(.milliseconds(500))
    }
    #expect(table.rules.updatesApplied == behind)
    #expect(links(&table) { report(&$0, workers[2], 2, "reset") } == ["1>-", expected])
  }

  @Test func `Who came to other weights leaves the chain until it holds the right ones`() {
    var (table, workers) = chain(3)
    table.holdsAtOnce = false
    #expect(
      links(&table) { $0.differ(workers[1]) } == ["weights 1", "0>2 3", "1>-", "again 2 0"])
    #expect(links(&table) { $0.hold(workers[1]) } == ["2>1 4"])
    report(&table, workers[2], 3)
    report(&table, workers[1], 4)
    #expect(direct(table) == [0])
  }

  @Test func `A rollback ends the chain, and it is made anew`() {
    var (table, workers) = chain(3, verify: 1)
    table.holdsAtOnce = false
    let said = links(&table) { $0.perform($0.rules.rolledBack(to: 0, epochs: 0, now: $0.now)) }
    #expect(said == ["0>-", "1>-", "weights 0", "weights 1", "weights 2"])
    #expect(direct(table) == [0, 1, 2])
    #expect(links(&table) { for worker in workers { $0.hold(worker) } } == ["0>1 3", "1>2 4"])
  }

  @Test func `A link whose receiver waits for an update for long is given up`() {
    var (table, workers) = chain(2, heartbeatBound: .seconds(12))
    table.answer(workers[0])
    table.answer(workers[1])
    #expect(table.rules.updatesApplied == 1)
    table.confirm(workers[0])
    table.log = []
    table.wait(.seconds(15))
    #expect(links(table).contains("again 1 0"))
    #expect(table.notes.contains { $0.description.contains("it has waited") })
    #expect(direct(table) == [0, 1])
  }

  @Test func `Those with the slowest connections stand last`() {
    var table = RulesTable(minimum: 1)
    table.holdsAtOnce = false
    let rates: [Double?] = [nil, 1e6, 1e8, 9e7, 1e7]
    for rate in rates {
      let worker = table.join()
      table.perform(table.rules.listens(worker))
      table.perform(
        table.rules.holds(
          worker, table.rules.weightsVersion, isRight: true, rate: rate, now: table.now))
    }
    // 0; 0 1; 0 2 1; 0 2 3 1; 0 2 3 4 1.
    let row = links(table).filter { $0.contains(">") }.map { String($0.prefix(3)) }
    #expect(row == ["0>1", "2>1", "0>2", "3>1", "2>3", "4>1", "3>4"])
  }
}
