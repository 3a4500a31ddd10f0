import Coordination
import Testing
import Wire

/// How much a slow worker holds up the others: the rules with workers that take their time.
@Suite struct PaceTests {
  /// Workers that compute one unit after the other, each in its own time.
  private struct Timeline {
    var table: RulesTable
    /// What each worker needs for a unit.
    var paces: [PeerID: Duration] = [:]
    /// What it computes, for which weights, and until when.
    var computing: [PeerID: (unit: WorkUnit, version: WeightsVersion, until: Duration)] = [:]
    var answers: [PeerID: Int] = [:]

    init(_ paces: [Duration], steps: Int, perUpdate: Int) {
      table = RulesTable(steps: steps, perUpdate: perUpdate, validation: 0, minimum: paces.count)
      for pace in paces { self.paces[table.join()] = pace }
    }

    /// Goes on until the run is over or `limit`.
    mutating func run(until limit: Duration = .seconds(1000)) {
      while table.ending == nil, table.now < limit {
        for (peer, pace) in paces where computing[peer] == nil {
          // It makes new weights before it begins, and after what it was computing.
          table.confirm(peer)
          guard let unit = table.tasks[peer]?.first else { continue }
          table.tasks[peer]?.removeFirst()
          computing[peer] = (unit, table.weights[peer] ?? .init(update: 0), table.now + pace)
        }
        let next = computing.min { $0.value.until < $1.value.until }
        let tick = table.now + .milliseconds(20)
        guard let next, next.value.until <= tick else {
          table.now = tick
          table.perform(table.rules.tick(now: tick))
          continue
        }
        table.now = next.value.until
        computing[next.key] = nil
        answers[next.key, default: 0] += 1
        table.send(next.key, next.value.unit, version: next.value.version)
      }
    }
  }

  private func time(_ paces: [Int], perUpdate: Int) -> Duration {
    var line = Timeline(paces.map(Duration.milliseconds), steps: 400, perUpdate: perUpdate)
    line.run()
    #expect(line.table.ending == .finished)
    return line.table.now
  }

  @Test(arguments: [1, 2, 3, 4, 100])
  func `A worker four times slower than two others costs at most a quarter`(_ perUpdate: Int) {
    let alone = time([40, 40], perUpdate: perUpdate)
    for paces in [[160, 40, 40], [40, 40, 160]] {
      #expect(time(paces, perUpdate: perUpdate) <= alone * 1.1, "\(paces)")
    }
  }

  @Test(arguments: [2, 4]) func `Equal workers share the work`(_ perUpdate: Int) {
    var line = Timeline([.milliseconds(40), .milliseconds(40)], steps: 400, perUpdate: perUpdate)
    line.run()
    // Give or take one of an update.
    let most = perUpdate / 2
    #expect(line.answers.values.allSatisfy { (200 - most...200 + most).contains($0) })
    #expect(line.table.now <= .milliseconds(40) * (200 + most))
  }

  @Test func `A worker that hangs holds up the others once`() {
    var line = Timeline(
      [.milliseconds(40), .milliseconds(40), .milliseconds(40)], steps: 600, perUpdate: 3)
    line.run(until: .seconds(1))
    // Its silence is not yet long enough for it to be lost.
    let hanging = line.paces.keys.min()
    line.paces[hanging ?? PeerID(raw: 0)] = .seconds(500)
    let begin = (line.table.now, line.table.rules.updatesApplied)
    line.run(until: .seconds(3))
    let updates = line.table.rules.updatesApplied - begin.1
    // Two workers need two turns for three steps; what the third had comes late.
    #expect(updates >= 22, "\(updates) updates")
    line.run()
    #expect(line.table.ending == .finished)
  }

  @Test func `Who was slow and is no longer gets its share again`() throws {
    var line = Timeline(
      [.milliseconds(200), .milliseconds(40), .milliseconds(40)], steps: 3000, perUpdate: 3)
    line.run(until: .seconds(5))
    let slow = try #require(line.paces.keys.min())
    line.paces[slow] = .milliseconds(40)
    line.run(until: .seconds(15))
    let before = line.answers[slow, default: 0]
    line.run(until: .seconds(20))
    #expect(line.answers[slow, default: 0] - before >= 100)
  }
}
