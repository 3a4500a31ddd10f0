// What the coordinator's rules answer to an event. Most events lead to actions alone: the host
// performs them in order and does not report back. Two things change the weights, and their
// outcome is an event again: an update, and a rollback. They are cases of the few enums that can
// lead to them.

import Wire

/// What the coordinator's rules ask of their host.
public enum CoordinatorAction: Hashable, Sendable {
  /// Tell a peer why it cannot take part, and close its connection.
  case refuse(PeerID, reason: String)
  /// Close a connection.
  case close(PeerID)
  /// Send all that the run has learnt; from now on the worker follows.
  case sendWeights(PeerID)
  /// Have a worker hand parts of updates on to another, over the link of this number, and to nobody
  /// else; nil for nobody.
  case handOn(PeerID, to: PeerID?, link: Int)
  /// Send a worker again the parts of the updates of these weights and of later ones.
  case resend(PeerID, since: WeightsVersion)
  /// Send a worker the files of these pictures.
  case sendPictures(PeerID, [Int])
  /// Send a work unit for the present weights.
  case assign(PeerID, WorkUnit)
  /// All of an epoch (counted from 0) is in: write down what it came to.
  case finishEpoch(Int)
  /// Something to write down.
  case note(CoordinatorNote)
  /// Tell every worker that the run is over, and end it.
  case stop(RunEnding)
}

/// What a hello leads to.
public enum HelloDecision: Hashable, Sendable {
  /// The peer is taken in as this worker.
  case welcome(worker: Int)
  /// It is not.
  case turnAway([CoordinatorAction])
}

/// What a gradient leads to.
public enum GradientDecision: Hashable, Sendable {
  /// It goes into the update's sum, at this place.
  case keep(place: Int, then: [CoordinatorAction])
  /// It is the last of the sum: once it is in and `first` is done, tell the followers that the
  /// update is certain, give out the work of `ahead`, apply the update and report `updateApplied`.
  case completeUpdate(place: Int, first: [CoordinatorAction], ahead: [CoordinatorAction])
  /// It is not needed, or not believed.
  case drop(Consequence)
}

/// What the totals of a validation batch lead to.
public enum EvaluationDecision: Hashable, Sendable {
  /// They count.
  case keep(then: [CoordinatorAction])
  /// They are not needed, or not believed.
  case drop(Consequence)
}

/// What follows from an event that may show that the weights hold errors.
public enum Consequence: Hashable, Sendable {
  /// The run goes on.
  case goOn([CoordinatorAction])
  /// The weights may hold errors since this update: note the reason, find the weights of before
  /// it or of an earlier one, report `rolledBack`, and only then do the rest, which may be the
  /// run's end with a checkpoint.
  case rollBack(before: Int, reason: CoordinatorNote? = nil, then: [CoordinatorAction] = [])
}
