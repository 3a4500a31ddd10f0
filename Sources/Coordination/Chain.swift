import Wire

/// Which workers get parts of updates from which others: they stand in a row, and each hands on to
/// the next what it gets, so that the coordinator sends a part once however many they are.
///
/// The coordinator goes on sending a worker all parts itself until that worker says that its link
/// is there, and again from the moment at which the link is known to be gone: what the one before
/// it in the row gets in between, it has got too.
struct Chain: Sendable {
  /// From one worker to another, which is its key.
  private struct Link {
    let number: Int
    let from: PeerID
    var isUp = false
  }

  private struct Pair: Hashable {
    let from: PeerID
    let to: PeerID
  }

  /// In the row, each with what its connection carries in a second, where that is known.
  private var row: [(peer: PeerID, rate: Double?)] = []
  /// Those that may stand in it.
  private var able: Set<PeerID> = []
  private var links: [PeerID: Link] = [:]
  /// Between these a link could not be made, or broke: no other is made while both are there.
  private var broken: Set<Pair> = []
  private var made = 0

  /// Those in the row, in order.
  var peers: [PeerID] { row.map(\.peer) }

  /// Whether some worker is on another machine.
  var isInUse: Bool { !row.isEmpty }

  /// Whether a worker gets all parts from another one.
  func feeds(_ peer: PeerID) -> Bool { links[peer]?.isUp == true }

  /// Whether a worker has somebody to hand parts on to, or is told to find it.
  func handsOn(_ peer: PeerID) -> Bool { links.values.contains { $0.from == peer } }

  /// A worker listens: it may stand in the row.
  mutating func enable(_ peer: PeerID) { able.insert(peer) }

  /// A worker that may stand in the row can make the updates that follow: it stands before those
  /// whose connections carry less than half as much.
  mutating func join(_ peer: PeerID, rate: Double?) -> [CoordinatorAction] {
    guard able.contains(peer), !peers.contains(peer) else { return [] }
    let slower = row.firstIndex { other in
      guard let rate, let other = other.rate else { return false }
      return other < rate / 2
    }
    row.insert((peer, rate), at: slower ?? row.endIndex)
    return connect()
  }

  /// A worker is gone, or is sent the weights anew.
  ///
  /// - Returns: also the worker that is to be sent all parts again, where it may miss some.
  mutating func leave(
    _ peer: PeerID, isGone: Bool
  ) -> (actions: [CoordinatorAction], orphan: PeerID?) {
    if isGone {
      able.remove(peer)
      broken = broken.filter { $0.from != peer && $0.to != peer }
    }
    guard peers.contains(peer) else { return ([], nil) }
    row.removeAll { $0.peer == peer }
    let orphan = links.first { $0.value.from == peer && $0.value.isUp }?.key
    let actions = connect()
    return (isGone ? actions.filter { $0 != .handOn(peer, to: nil, link: 0) } : actions, orphan)
  }

  /// Nobody stands in the row any more: all are sent the weights anew.
  mutating func clear() -> [CoordinatorAction] {
    row = []
    return connect()
  }

  /// A worker has its link.
  /// - Returns: whom it is from; nil where there is no such link.
  mutating func isUp(_ number: Int, to peer: PeerID) -> PeerID? {
    guard let link = links[peer], link.number == number, !link.isUp else { return nil }
    links[peer]?.isUp = true
    return link.from
  }

  /// There is no such link, or no more.
  ///
  /// - Parameter peer: says so: either end of it.
  /// - Returns: its ends, and whether the receiver may miss parts; nil where it is not known.
  mutating func fail(
    _ number: Int, by peer: PeerID
  ) -> (from: PeerID, to: PeerID, wasUp: Bool)? {
    guard
      let (to, link) = links.first(where: { to, link in
        link.number == number && (link.from == peer || to == peer)
      })
    else { return nil }
    links[to] = nil
    broken.insert(Pair(from: link.from, to: to))
    return (link.from, to, link.isUp)
  }

  /// The number of a worker's link.
  func link(to peer: PeerID) -> Int? { links[peer]?.number }

  /// Has each in the row hand on to the next, where it does not and that has not failed.
  private mutating func connect() -> [CoordinatorAction] {
    var before: [PeerID: PeerID] = [:]
    for (one, next) in zip(row, row.dropFirst()) where !broken.contains(pair(one.peer, next.peer)) {
      before[next.peer] = one.peer
    }
    let stale = links.filter { before[$0.key] != $0.value.from }
    for to in stale.keys { links[to] = nil }
    var actions: [CoordinatorAction] = []
    for (to, from) in before.sorted(by: { $0.key < $1.key }) where links[to] == nil {
      made += 1
      links[to] = Link(number: made, from: from)
      actions.append(.handOn(from, to: to, link: made))
    }
    for from in stale.values.map(\.from).sorted() where !handsOn(from) {
      actions.append(.handOn(from, to: nil, link: 0))
    }
    return actions
  }

  private func pair(_ from: PeerID, _ to: PeerID) -> Pair { Pair(from: from, to: to) }
}
