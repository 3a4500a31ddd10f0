// Who takes too long: the part of the coordinator's rules that gives up workers whose connection
// lives and that do not answer.

import Primitives

extension CoordinatorRules {
  /// A worker that owes an answer for this many times the usual time counts as lost...
  static let stuckFactor = 20
  /// ...but not before this long...
  static let stuckFloor = Duration.seconds(10)
  /// ...nor this long where it has not answered yet: it may have pictures to decode...
  static let stuckNew = Duration.seconds(60)
  /// ...nor this long where nobody has.
  static let stuckUnknown = Duration.seconds(300)

  /// Says of whom the run waits, and loses who does not answer: where no other worker is there to
  /// take over, that would not help.
  mutating func dismissStuck(_ now: Duration) -> [CoordinatorAction] {
    var actions: [CoordinatorAction] = []
    for (peer, member) in members.sorted(by: { $0.key < $1.key }) {
      guard isComputing, let since = member.owesSince, let worker = member.worker else { continue }
      let (time, most) = (patience - since, most(of: member))
      if time > most, readyWorkers > 1 {
        let reason = "it sends heartbeats, but has not answered for \(time.inSeconds)"
        actions += dismiss(peer, reason: reason, now: now)
      } else if time > most / 2, !member.isWaitedFor {
        members[peer]?.isWaitedFor = true
        let unit = member.queue.first?.unit
        actions.append(.note(.awaited(unit, worker: worker, time: time, most: most)))
      }
    }
    return actions
  }

  /// How long a worker may owe an answer.
  private func most(of member: Member) -> Duration {
    let usual = [stepDurations.usual, validationDurations.usual, member.pace.slowest]
    guard let longest = usual.compactMap({ $0 }).max() else { return Self.stuckUnknown }
    let floor = member.pace.slowest == nil ? Self.stuckNew : Self.stuckFloor
    // Standing still within the heartbeat's bound is no fault.
    return max(longest * Self.stuckFactor, floor, heartbeatBound * 2)
  }

  /// A worker has answered: what it has beside begins now.
  mutating func hasAnswered(_ peer: PeerID) {
    guard let member = members[peer] else { return }
    let isIdle = member.queue.isEmpty && member.voidSince == nil
    members[peer]?.owesSince = isIdle ? nil : patience
    members[peer]?.isWaitedFor = false
  }
}

extension CoordinatorRules.Member {
  /// Newer weights make void what it has to compute.
  mutating func cancelQueue() {
    voidSince = voidSince ?? queue.first?.since
    void += queue
    queue = []
  }
}
