import Coordination
import Primitives
import Testing
import Wire

/// Who is sent weights, who holds them, and who came to others.
@Suite struct WeightsTests {
  /// Workers that say that they hold the weights when the test has them say so.
  private func table(
    _ count: Int, steps: Int = 8, perUpdate: Int = 2, verify: Double = 0
  ) -> (RulesTable, [PeerID]) {
    var table = RulesTable(
      epochs: 2, steps: steps, perUpdate: perUpdate, minimum: count, verify: verify)
    table.holdsAtOnce = false
    let workers = (0..<count).map { _ in table.join() }
    return (table, workers)
  }

  private func sent(_ table: RulesTable) -> [PeerID] {
    table.log.compactMap { if case .action(.sendWeights(let peer)) = $0 { peer } else { nil } }
  }

  // MARK: Holding

  @Test func `Weights go to who is ready, and work to who holds them`() {
    var (table, workers) = table(2)
    #expect(sent(table) == workers && table.catchingUp == workers)
    #expect(table.rules.followers == workers)
    table.wait(.seconds(20))
    #expect(table.tasks == [workers[0]: [], workers[1]: []])
    // The run begins once all that it waits for hold them, so that each gets its share.
    table.hold(workers[1])
    #expect(table.tasks == [workers[0]: [], workers[1]: []])
    table.hold(workers[0])
    #expect(table.tasks == [workers[0]: [.step(0)], workers[1]: [.step(1)]])
    table.answer(workers[1])
    table.answer(workers[0])
    // They follow, so an update is no reason to send them anything that decides.
    #expect(table.tasks == [workers[0]: [.step(2)], workers[1]: [.step(3)]])
    #expect(sent(table) == workers)
    table.finish()
    #expect(table.ending == .finished)
  }

  @Test func `Who is not ready is sent nothing, and who is lost is followed by nobody`() {
    var (table, workers) = table(2)
    let stranger = table.join(ready: false)
    #expect(sent(table) == workers)
    #expect(!table.rules.followers.contains(stranger))
    table.lose(workers[0])
    #expect(table.rules.followers == [workers[1]])
  }

  @Test func `Saying that it holds weights before it was sent some puts a peer out`() {
    var (table, _) = table(1)
    let stranger = table.join(ready: false)
    table.hold(stranger)
    #expect(table.loss(of: 2) == "said that it holds weights before it was ready")
    let unknown = table.rules.holds(
      PeerID(raw: 99), .init(update: 0), isRight: true, now: table.now)
    #expect(unknown == [])
  }

  @Test func `A joiner that catches up while updates are made gets work at the newest`() {
    var (table, workers) = table(1)
    table.hold(workers[0])
    let late = table.join()
    while table.rules.updatesApplied < 2 { table.answer(workers[0]) }
    #expect(table.tasks[late] == [])
    // It will make the updates that came meanwhile; it names the weights that it was sent.
    table.hold(late, at: .init(update: 0))
    table.answer(workers[0])
    table.answer(workers[0])
    #expect(table.rules.updatesApplied == 3)
    #expect(table.tasks[late]?.isEmpty == false)
    table.finish()
    #expect(table.ending == .finished && sent(table) == [workers[0], late])
  }

  // MARK: Differing

  @Test func `Who comes to other weights is sent them anew, and others do what it had`() {
    var (table, workers) = table(2)
    for worker in workers { table.hold(worker) }
    while table.tasks[workers[1]]?.isEmpty != false { table.answer(workers[0]) }
    let had = table.tasks[workers[1]] ?? []
    table.differ(workers[1])
    #expect(sent(table) == workers + [workers[1]])
    #expect(table.tasks[workers[1]] == [])
    #expect(had.allSatisfy { table.tasks[workers[0]]?.contains($0) == true })
    let note = table.notes.contains {
      guard case .failure(worker: 2, let reason) = $0 else { return false }
      return reason.hasSuffix("than the coordinator, and is sent them anew")
    }
    #expect(note)
    // It has work again once it holds them.
    table.answer(workers[0])
    #expect(table.tasks[workers[1]] == [])
    table.hold(workers[1])
    table.finish()
    #expect(table.ending == .finished && !table.wasRolledBack)
    #expect(table.loss(of: 2) == nil)
    let wasOf = table.log.contains {
      if case .keep(workers[1], _) = $0 { true } else { false }
    }
    #expect(wasOf)
  }

  @Test func `The third time that a worker comes to other weights it goes`() {
    var (table, workers) = table(2, steps: 40)
    for worker in workers { table.hold(worker) }
    for time in 1...3 {
      #expect(table.loss(of: 2) == nil)
      table.differ(workers[1])
      if time < 3 { table.hold(workers[1]) }
    }
    let reason = table.loss(of: 2)
    #expect(reason?.hasPrefix("came to other weights") == true)
    #expect(reason?.hasSuffix("its memory or its processor makes errors") == true)
    #expect(table.tasks[workers[1]] == nil && table.rules.readyWorkers == 1)
    table.finish()
    #expect(table.ending == .finished && !table.wasRolledBack)
  }

  @Test func `A digest of weights that are not the present ones says nothing`() {
    var (table, workers) = table(2)
    for worker in workers { table.hold(worker) }
    let before = sent(table)
    for version in [WeightsVersion(rollback: -1, update: 0), .init(update: 7)] {
      for _ in 0..<5 {
        table.perform(table.rules.holds(workers[1], version, isRight: false, now: table.now))
      }
    }
    #expect(sent(table) == before && table.loss(of: 2) == nil)
    #expect(!table.rules.ignores(workers[1]))
  }

  @Test func `Answers with weights count once it is known that they are the right ones`() {
    var (table, workers) = table(2)
    for worker in workers { table.hold(worker) }
    while table.rules.updatesApplied < 1 {
      for worker in workers where table.rules.updatesApplied < 1 { table.answer(worker) }
    }
    let version = table.rules.weightsVersion
    guard let unit = table.tasks[workers[1]]?.first else {
      Issue.record("it has nothing to do")
      return
    }
    #expect(!table.rules.isAsked(workers[1], for: unit, version))
    var hasty = table
    hasty.send(workers[1], unit, version: version)
    #expect(hasty.loss(of: 2)?.contains("which it was not given") == true)
    table.hold(workers[1])
    #expect(table.rules.isAsked(workers[1], for: unit, version))
    table.send(workers[1], unit, version: version)
    #expect(table.loss(of: 2) == nil && table.log.contains(.keep(workers[1], unit)))
  }

  // MARK: Rolling back

  @Test func `After a rollback followers are sent the weights, and work once they hold those`() {
    var (table, workers) = table(2)
    for worker in workers { table.hold(worker) }
    let late = table.join()
    while table.tasks[workers[0]]?.isEmpty != false { table.answer(workers[1]) }
    table.answer(workers[0], loss: .nan)
    #expect(table.wasRolledBack)
    let version = table.rules.weightsVersion
    #expect(version.rollback == 1)
    // Also who was still catching up.
    #expect(sent(table).suffix(3) == workers + [late])
    #expect(table.weights.values.allSatisfy { $0 == version })
    #expect(table.tasks.values.allSatisfy { $0.isEmpty })
    // What it says of the weights of before does not count.
    let old = WeightsVersion(rollback: 0, update: version.update)
    table.perform(table.rules.holds(workers[0], old, isRight: false, now: table.now))
    #expect(table.tasks[workers[0]] == [])
    table.hold(workers[0])
    #expect(table.tasks[workers[0]]?.isEmpty == false)
    for worker in [workers[1], late] { table.hold(worker) }
    // The third decides, and what the first had its part in is computed once more.
    table.holdsAtOnce = true
    table.finish()
    #expect(table.ending == .finished)
  }

  @Test func `Another gradient than what workers were sent of it is computed by two`() {
    var (table, workers) = table(2, perUpdate: 4)
    for worker in workers { table.hold(worker) }
    let step = table.tasks[workers[0]]?.first
    #expect(step == .step(0))
    #expect(!table.rules.isVerified(.step(0)))
    table.holdsAtOnce = true
    table.contradict(workers[0])
    #expect(table.log.contains(.rollBack(before: 0)))
    #expect(table.rules.weightsVersion == .init(rollback: 1, update: 0))
    let note = table.notes.contains {
      guard case .failure(worker: 1, let reason) = $0 else { return false }
      return reason.contains("than what a worker that was lost had sent of it")
    }
    #expect(note)
    // Nothing of it goes anywhere before two agree.
    #expect(table.rules.isVerified(.step(0)) && !table.rules.isVerified(.step(1)))
    #expect(workers.allSatisfy { table.tasks[$0]?.contains(.step(0)) == true })
    table.finish()
    #expect(table.ending == .finished)
    #expect(table.loss(of: 1) == nil && table.loss(of: 2) == nil)
  }

  // MARK: What numbers are worth

  @Test func `Only numbers that would count are worth the memory`() {
    var (table, workers) = table(2, perUpdate: 4, verify: 1)
    for worker in workers { table.hold(worker) }
    let now = table.rules.weightsVersion
    let (first, second) = (workers[0], workers[1])
    #expect(table.rules.isVerified(.step(0)))
    #expect(table.tasks[first]?.first == .step(0))
    #expect(table.tasks[second]?.contains(.step(0)) == true)
    #expect(table.rules.wants(first, .step(0), now) && table.rules.wants(second, .step(0), now))
    #expect(!table.rules.wants(first, .step(3), now))
    #expect(!table.rules.wants(first, .step(0), .init(update: 1)))
    table.answer(first)
    #expect(!table.rules.wants(first, .step(0), now) && table.rules.wants(second, .step(0), now))
    table.differ(second)
    #expect(!table.rules.wants(second, .step(0), now))
    // It may have begun to say it before it knew: nobody listens, nor minds.
    #expect(table.rules.ignores(second) && !table.rules.ignores(first))
    let before = table.log
    table.send(second, .step(0), version: now)
    #expect(table.log == before)
    table.hold(second)
    #expect(!table.rules.ignores(second))
  }

  // MARK: Time

  @Test func `Who does not take the weights for five minutes goes, where there are others`() {
    var (table, workers) = table(2, steps: 4000, perUpdate: 1)
    table.hold(workers[0])
    for second in 0..<302 {
      #expect((table.loss(of: 2) != nil) == (second > 300), "after \(second) s")
      table.answer(workers[0])
      table.wait(.seconds(1))
    }
    #expect(table.loss(of: 2)?.contains("has not taken the weights for 30") == true)
    #expect(table.log.contains(.action(.close(workers[1]))))
    #expect(table.loss(of: 1) == nil)
  }

  @Test func `The only worker may take its time to take the weights`() {
    var (table, workers) = table(1)
    table.wait(.seconds(1000))
    #expect(table.loss(of: 1) == nil && table.tasks[workers[0]] == [])
    table.hold(workers[0])
    table.finish()
    #expect(table.ending == .finished)
  }

  @Test(arguments: 0..<200)
  func `Whoever holds or differs when, the updates are the same`(seed: UInt64) {
    var calm = RulesTable(epochs: 2, steps: 7, perUpdate: 3, validation: 4)
    calm.join()
    calm.finish()
    let random = CounterRandom(seed: seed, purpose: .benchmark, 7)
    var table = RulesTable(epochs: 2, steps: 7, perUpdate: 3, validation: 4, minimum: 2)
    table.holdsAtOnce = false
    for draw in 0..<UInt64(5000) where table.ending == nil {
      let bits = random.bits(draw)
      table.now += .milliseconds(Int(bits >> 40 & 1023))
      let peers = table.tasks.keys.sorted()
      let peer = peers.isEmpty ? nil : peers[Int(bits >> 20 & 0xFFFF) % peers.count]
      switch (bits & 15, peer) {
      case (0, _) where peers.count < 5: table.join()
      case (1, let peer?) where peers.count > 1 || bits & 16 == 0: table.lose(peer)
      case (2, _): table.perform(table.rules.tick(now: table.now))
      case (3, let peer?): table.differ(peer)
      case (4...6, _): if let peer = table.catchingUp.first { table.hold(peer) }
      case (_, let peer?): table.answer(peer)
      default: table.join()
      }
      #expect(table.rules.inconsistency(now: table.now) == nil)
    }
    #expect(table.ending == .finished)
    #expect(table.outcome == calm.outcome)
  }
}
