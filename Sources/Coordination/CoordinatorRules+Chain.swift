// Who hands parts of updates on to whom: the part of the coordinator's rules that keeps the chain.

import Primitives
import Wire

extension CoordinatorRules {
  /// Followers that the coordinator sends the parts of updates itself: the rest get them from
  /// other workers.
  public var directFollowers: [PeerID] { followers.filter { !chain.feeds($0) } }

  /// Whether a worker hands on what it is sent.
  public func handsOn(_ peer: PeerID) -> Bool { chain.handsOn(peer) }

  /// Another worker can reach this one, and hand parts of updates on to it.
  public mutating func listens(_ peer: PeerID) -> [CoordinatorAction] {
    guard members[peer] != nil else { return [] }
    chain.enable(peer)
    guard case .held(isConfirmed: true)? = members[peer]?.progress?.weights else { return [] }
    return chain.join(peer, rate: nil)
  }

  /// A worker says what became of a link.
  public mutating func linked(
    _ peer: PeerID, _ report: LinkReport, now: Duration
  ) -> [CoordinatorAction] {
    guard let failure = report.failure else {
      guard let from = chain.isUp(report.link, to: peer).flatMap({ members[$0]?.number }),
        let worker = members[peer]?.number
      else { return [] }
      return [.note(.linked(worker: worker, from: from))]
    }
    // Work may have waited for who is sent the weights anew now.
    return breakLink(report.link, by: peer, failure) + distribute(now)
  }

  /// A link is not there: its receiver is sent all parts by the coordinator.
  private mutating func breakLink(
    _ link: Int, by peer: PeerID, _ reason: String
  ) -> [CoordinatorAction] {
    guard let (from, to, wasUp) = chain.fail(link, by: peer) else { return [] }
    let sender = members[from]?.number.map { "worker \($0)" } ?? "another worker"
    let note = CoordinatorNote.failure(
      worker: members[to]?.number,
      reason: "it gets updates from the coordinator, since it has no link from \(sender): "
        + reason)
    return [.note(note), .handOn(from, to: nil, link: 0)] + (wasUp ? sendMissed(to: to) : [])
  }

  /// A worker leaves the chain.
  mutating func unchain(_ peer: PeerID, isGone: Bool = false) -> [CoordinatorAction] {
    let (actions, orphan) = chain.leave(peer, isGone: isGone)
    return actions + (orphan.map { sendMissed(to: $0) } ?? [])
  }

  /// Sends a worker again what it may have missed: the parts of the update under way and of the
  /// last one, where that is enough; otherwise the weights.
  private mutating func sendMissed(to peer: PeerID) -> [CoordinatorAction] {
    guard let held = members[peer]?.progress?.held, held.rollback == weightsVersion.rollback,
      held.update >= weightsVersion.update - 1
    else {
      requeue(of: peer)
      members[peer]?.progress?.makeVoid()
      return sendWeights(to: peer)
    }
    return [.resend(peer, since: held)]
  }

  /// Gives up links whose receivers have not come to the present weights for long, whatever the
  /// reason is.
  mutating func breakSlowLinks(_ now: Duration) -> [CoordinatorAction] {
    var actions: [CoordinatorAction] = []
    for peer in chain.peers {
      guard let link = chain.link(to: peer), chain.feeds(peer),
        let since = members[peer]?.progress?.weightsSince,
        patience.time - since > patience.linkMost(stepsOfUnit)
      else { continue }
      let time = (patience.time - since).inSeconds
      actions += breakLink(link, by: peer, "it has waited \(time) for an update")
    }
    return actions
  }
}
