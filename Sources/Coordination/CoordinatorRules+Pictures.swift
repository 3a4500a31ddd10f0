// Who is sent pictures: the part of the coordinator's rules that serves workers without the data.

import Primitives

extension CoordinatorRules {
  /// A worker lacks pictures: it is sent each once, so that nobody can have the same ones sent over
  /// and over.
  /// - Parameter count: how many the run has.
  public mutating func wants(
    _ peer: PeerID, _ pictures: [Int], of count: Int, now: Duration
  ) -> [CoordinatorAction] {
    guard let worker = members[peer], !phase.isOver else { return [] }
    guard worker.number != nil else { return putOut(peer, "asked for pictures out of turn", now) }
    for picture in pictures {
      guard (0..<count).contains(picture) else {
        return putOut(peer, "asked for picture \(picture), which is none of the run's", now)
      }
      guard members[peer]?.sent.insert(picture).inserted == true else {
        return putOut(peer, "asked for a picture a second time", now)
      }
    }
    return [.sendPictures(peer, pictures)]
  }
}
