import Coordination
import Primitives
import Testing
import Wire

@Suite struct CoordinatorRulesTests {
  @Test func `Training starts when the last of the wanted workers is ready`() {
    var table = RulesTable(minimum: 2)
    let first = table.join()
    #expect(table.tasks[first] == [])
    #expect(table.notes.last == .waiting(ready: 1, needed: 2))
    let second = table.join()
    #expect(table.tasks[first] == [.step(0)])
    #expect(table.tasks[second] == [.step(1)])
    #expect(table.weights == [first: .init(update: 0), second: .init(update: 0)])
  }

  @Test func `One worker gets two units at once and never more`() {
    var table = RulesTable(steps: 8, perUpdate: 8)
    let worker = table.join()
    #expect(table.tasks[worker] == [.step(0), .step(1)])
    table.answer(worker)
    #expect(table.tasks[worker] == [.step(1), .step(2)])
  }

  @Test func `A run is its schedule, whoever computes it`() {
    var alone = RulesTable(epochs: 2, steps: 5, perUpdate: 2, validation: 3)
    alone.join()
    alone.finish()
    #expect(alone.ending == .finished)
    #expect(alone.outcome.count == 8)
    #expect(alone.outcome[2] == "[step 4] applyUpdate(2, steps: Range(4..<5))")
    var three = RulesTable(epochs: 2, steps: 5, perUpdate: 2, validation: 3)
    for _ in 0..<3 { three.join() }
    three.finish()
    #expect(three.outcome == alone.outcome)
  }

  @Test func `The next epoch's work is out before the files of the last are written`() throws {
    var table = RulesTable(epochs: 2, steps: 1, perUpdate: 1, validation: 1)
    let worker = table.join()
    table.answer(worker)
    table.answer(worker)
    let assigned = try #require(table.log.firstIndex(of: .action(.assign(worker, .step(1)))))
    let finished = try #require(table.log.firstIndex(of: .action(.finishEpoch(0))))
    #expect(assigned < finished)
    #expect(table.weights[worker] == .init(update: 1))
  }

  @Test func `A lost worker's steps go to another at once`() {
    var table = RulesTable(steps: 4, perUpdate: 4)
    let first = table.join()
    let second = table.join()
    #expect(table.tasks[first] == [.step(0), .step(1)])
    #expect(table.tasks[second] == [.step(2), .step(3)])
    table.answer(second)
    table.lose(first)
    #expect(table.tasks[second] == [.step(3), .step(0)])
    #expect(table.notes.contains(.reassigned(.step(0), worker: 2)))
    table.finish()
    #expect(table.ending == .finished)
  }

  @Test func `With no worker left the coordinator waits for another`() {
    var table = RulesTable()
    let first = table.join()
    table.lose(first)
    #expect(table.notes.last == .waiting(ready: 0, needed: 1))
    #expect(table.ending == nil)
    table.join()
    table.finish()
    #expect(table.ending == .finished)
  }

  @Test func `A late worker joins in the middle`() {
    var table = RulesTable(steps: 6, perUpdate: 3)
    let first = table.join()
    table.answer(first)
    let late = table.join()
    #expect(table.tasks[late] == [])
    table.answer(first)
    table.answer(first)
    #expect(table.tasks[late] == [.step(3), .step(5)])
    #expect(table.weights[late] == .init(update: 1))
  }

  @Test func `A slow step is given to an idle worker too, and the first answer counts`() {
    var table = RulesTable(steps: 8, perUpdate: 4, validation: 0)
    let slow = table.join()
    let quick = table.join()
    for _ in 0..<3 {
      table.now += .milliseconds(100)
      table.answer(slow)
      table.answer(quick)
    }
    // Update 1: the slow worker is left with one step.
    while let unit = table.tasks[quick]?.first, unit != table.tasks[slow]?.first {
      table.now += .milliseconds(100)
      table.answer(quick)
    }
    let held = table.tasks[slow]?.first
    table.perform(table.rules.tick(now: table.now))
    #expect(table.tasks[quick] == [])
    table.now += .seconds(2)
    table.perform(table.rules.tick(now: table.now))
    #expect(table.tasks[quick]?.first == held)
    table.answer(quick)
    table.answer(slow)
    table.finish()
    #expect(table.ending == .finished)
    #expect(table.outcome.count == 3)
  }

  @Test
  func `A duplicate with another digest has its step computed again; an equal one is ignored`() {
    for digest in [nil, RulesTable.digest(99)] {
      var table = RulesTable(steps: 4, perUpdate: 2, minimum: 2)
      let first = table.join()
      let second = table.join()
      table.answer(first)
      table.wait(.seconds(11))
      #expect(table.tasks[first] == [.step(1)])
      table.answer(second)
      #expect(table.rules.updatesApplied == 1)
      let before = table.outcome
      // Sent with the old weights, as a worker may that had not seen the new ones.
      table.send(first, .step(1), version: .init(update: 0), digest: digest)
      #expect(table.log.contains(.rollBack(before: 0)) == (digest != nil))
      #expect(table.outcome == (digest == nil ? before : []))
      // Now two workers have to agree.
      #expect(table.tasks.values.count { $0.contains(.step(1)) } == (digest == nil ? 0 : 2))
      table.finish()
      #expect(table.ending == .finished && table.outcome.count == 3)
      // The two of them have shown who was wrong.
      #expect((table.tasks[first] == nil) == (digest != nil) && table.tasks[second] != nil)
    }
  }

  @Test func `An answer that nobody asked for loses its sender`() {
    var table = RulesTable()
    let worker = table.join()
    table.send(worker, .step(3), version: .init(update: 0))
    #expect(table.tasks[worker] == nil)
    #expect(table.rules.readyWorkers == 0)
  }

  @Test func `A worker that computes other bits is turned away, and told what differs`() throws {
    let (right, wrong) = (sampleDigest(1), sampleDigest(2))
    let expected = ProbeAnswer(pictures: right, gradient: right)
    for (answer, word) in [
      (ProbeAnswer(pictures: wrong, gradient: wrong), "pixels"),
      (ProbeAnswer(pictures: right, gradient: wrong), "gradient"),
    ] {
      var table = RulesTable(probe: expected)
      let odd = table.join(probe: answer)
      #expect(table.rules.readyWorkers == 0)
      guard case .action(.refuse(odd, let reason))? = table.log.last else {
        Issue.record("\(table.log)")
        continue
      }
      #expect(reason.contains(word))
      table.join(probe: expected)
      table.finish()
      #expect(table.ending == .finished)
    }
  }

  private func sampleDigest(_ byte: UInt8) -> Digest {
    withUnsafeBytes(of: byte) { Digest(of: $0) }
  }

  @Test func `A worker of another version, or without the data, is turned away`() {
    var table = RulesTable()
    table.join(version: "2")
    #expect(table.rules.readyWorkers == 0)
    #expect(table.log.contains { if case .action(.refuse) = $0 { true } else { false } })
    let poor = table.join(ready: false)
    table.perform(table.rules.unable(poor, reason: "no data", now: table.now))
    #expect(
      table.notes.last
        == .refused(.init(number: 1, name: "w1", address: "host:1"), reason: "no data"))
    #expect(table.log.last == .action(.close(poor)))
  }

  @Test func `A signal finishes the update, then stops`() {
    var table = RulesTable(steps: 4, perUpdate: 2)
    let worker = table.join()
    table.answer(worker)
    table.perform(table.rules.interrupted(now: table.now))
    #expect(table.ending == nil)
    table.answer(worker)
    #expect(table.ending == .interrupted)
    #expect(table.rules.updatesApplied == 1)
  }

  @Test func `A signal before a rollback still finishes an update`() {
    var table = RulesTable(steps: 4, perUpdate: 2)
    table.checkpoints = [1]
    let worker = table.join()
    table.join()
    for _ in 0..<2 { table.answer(worker) }
    while table.rules.updatesApplied < 1 { table.answer(PeerID(raw: 1)) }
    table.perform(table.rules.interrupted(now: table.now))
    // A loss that is no number: two workers compute the step again.
    table.answer(worker, loss: .nan)
    #expect(table.wasRolledBack && table.ending == nil)
    #expect(table.rules.updatesApplied == 1)
    table.finish()
    // The other worker shows that the first one errs, which had its part in update 0 too: the run
    // rolled back to the start, and finished an update even so.
    #expect(table.log.contains(.rollBack(before: 0)))
    #expect(table.ending == .interrupted)
    #expect(table.rules.updatesApplied == 1)
  }

  @Test func `A second signal, or one with nothing under way, stops at once`() {
    var waiting = RulesTable()
    waiting.perform(waiting.rules.interrupted(now: .zero))
    #expect(waiting.ending == .interrupted)
    var twice = RulesTable()
    twice.join()
    twice.perform(twice.rules.interrupted(now: .zero))
    twice.perform(twice.rules.interrupted(now: .zero))
    #expect(twice.ending == .interrupted)
    #expect(twice.rules.updatesApplied == 0)
    var abandoned = RulesTable()
    let worker = abandoned.join()
    abandoned.perform(abandoned.rules.interrupted(now: .zero))
    abandoned.lose(worker)
    #expect(abandoned.ending == .interrupted)
  }

  @Test func `A run whose own workers are all gone fails`() {
    var early = RulesTable(minimum: 2, local: [1000, 1001])
    early.exit(0)
    #expect(early.ending == nil)
    early.exit(1)
    #expect(early.ending?.reason == "no worker is left; the last one: killed")
    var later = RulesTable(minimum: 2, local: [1000, 1001])
    let first = later.join()
    let second = later.join()
    later.exit(1)
    later.lose(second)
    #expect(later.ending == nil)
    later.lose(first)
    later.exit(0)
    guard case .cutShort = later.ending else {
      Issue.record("the run goes on without workers")
      return
    }
  }

  @Test func `A run begins with those of its workers that live, and goes on with others`() {
    var table = RulesTable(minimum: 3, local: [1000, 1001, 1002])
    let first = table.join()
    table.exit(2)
    #expect(table.notes.last == .waiting(ready: 1, needed: 2))
    table.exit(1)
    #expect(table.tasks[first] == [.step(0), .step(1)])
    let stranger = table.join(ready: false)
    table.lose(first)
    table.exit(0)
    // One that is getting ready is hope enough.
    #expect(table.ending == nil)
    table.perform(table.rules.ready(stranger, .none, now: table.now))
    table.finish()
    #expect(table.ending == .finished)
  }

  @Test func `A loss says who it was and what it was doing`() {
    var table = RulesTable(local: [1000, 1001])
    let first = table.join()
    table.lose(first)
    let identity = WorkerIdentity(number: 1, name: "w0", address: "host:0")
    #expect(
      table.notes.contains(
        .lost(identity, doing: "had step 0 to compute, step 1 to follow", reason: "gone")))
    table.exit(0)
    #expect(table.notes.contains(.exited(worker: 1, reason: "killed")))
  }

  @Test func `A run goes on from any position`() {
    var whole = RulesTable(epochs: 2, steps: 4, perUpdate: 2)
    whole.join()
    whole.finish()
    // Epoch 0 is trained but not validated.
    var rest = RulesTable(
      epochs: 2, steps: 4, perUpdate: 2, updates: 2)
    rest.join()
    rest.finish()
    #expect(rest.outcome == Array(whole.outcome.dropFirst(2)))
  }

  @Test func `An answer that cannot be used puts its sender out, and others compute the unit`() {
    for fault in [AnswerFault.damaged("bad bytes"), .impossible("a bad sum")] {
      var table = RulesTable(steps: 4, perUpdate: 4)
      let (bad, good) = (table.join(), table.join())
      table.answer(bad, unusably: fault)
      let reason = fault == .damaged("bad bytes") ? "bad bytes" : "a bad sum"
      #expect(table.loss(of: 1) == reason && table.tasks[bad] == nil)
      table.finish()
      #expect(table.log.contains(.keep(good, .step(0))))
      #expect(table.ending == .finished && !table.wasRolledBack)
    }
  }

  @Test func `Who was not asked is told that, whatever it sends`() {
    var table = RulesTable()
    let worker = table.join()
    let fault = AnswerFault.impossible("no such unit")
    let consequence = table.rules.unusable(
      worker, .step(-1), .init(update: 0), fault, now: table.now)
    guard case .goOn(let actions) = consequence else {
      Issue.record("\(consequence)")
      return
    }
    table.perform(actions)
    #expect(table.loss(of: 1) == "answered step -1, which it was not given")
  }

  @Test func `An impossible answer to a verified step takes out what its machine did unchecked`() {
    var table = RulesTable(steps: 400, perUpdate: 4, validation: 0, verify: 0.1)
    let (bad, good) = (table.join(), table.join())
    // Two have the step: it is verified.
    while let unit = table.tasks[bad]?.first, table.tasks[good]?.contains(unit) != true {
      table.answer(good)
      table.answer(bad)
    }
    table.answer(bad, unusably: .impossible("a bad sum"))
    #expect(table.wasRolledBack && table.tasks[bad] == nil)
    table.finish()
    #expect(table.ending == .finished && table.outcome.count == 101)
  }

  @Test func `Weights that are not finite are a machine's fault first, and then the run's`() {
    var table = RulesTable(steps: 4, perUpdate: 2, minimum: 2)
    let workers = [table.join(), table.join()]
    table.staysFinite = false
    for worker in workers { table.answer(worker) }
    #expect(table.log.contains(.rollBack(before: 0)) && table.rules.updatesApplied == 0)
    #expect(table.rules.weightsVersion == .init(rollback: 1, update: 0))
    // Two workers compute each step now.
    #expect(table.tasks.values.allSatisfy { $0 == [.step(0), .step(1)] })
    var diverging = table
    diverging.finish()
    #expect(
      diverging.ending
        == .failed(
          "a weight is no longer a finite number in update 1: choose a smaller --learning-rate"))
    table.staysFinite = true
    table.finish()
    #expect(table.ending == .finished)
  }

  @Test(arguments: 0..<200)
  func `Any history of joins, losses and delays comes to the same updates`(seed: UInt64) {
    var calm = RulesTable(epochs: 2, steps: 7, perUpdate: 3, validation: 4)
    calm.join()
    calm.finish()
    let random = CounterRandom(seed: seed, purpose: .benchmark)
    var table = RulesTable(epochs: 2, steps: 7, perUpdate: 3, validation: 4, minimum: 2)
    for draw in 0..<UInt64(5000) where table.ending == nil {
      let bits = random.bits(draw)
      table.now += .milliseconds(Int(bits >> 40 & 1023))
      let peers = table.tasks.keys.sorted()
      let peer = peers.isEmpty ? nil : peers[Int(bits >> 20 & 0xFFFF) % peers.count]
      switch (bits & 15, peer) {
      case (0, _) where peers.count < 5: table.join()
      case (1, let peer?) where peers.count > 1 || bits & 16 == 0: table.lose(peer)
      case (2, _): table.perform(table.rules.tick(now: table.now))
      case (_, let peer?): table.answer(peer)
      default: table.join()
      }
      #expect(table.tasks.values.allSatisfy { $0.count <= 2 })
    }
    #expect(table.ending == .finished)
    #expect(table.outcome == calm.outcome)
  }
}
