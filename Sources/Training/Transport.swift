// The seam between the hosts and whatever carries their messages: sockets (Network) or memory
// (InMemoryLinks). A transport puts what happens into a host's mailbox and offers it a link to
// send by; it decides nothing.

import Coordination
import Primitives
import Wire

/// What can happen to a coordinator.
public enum CoordinatorInput: Sendable {
  /// A peer connected from `address` (`127.0.0.1:40112`); nothing is known of it yet.
  case opened(PeerID, address: String)
  /// A peer sent a message.
  case message(PeerID, WorkerMessage)
  /// A peer is gone, or its heartbeat is late; `reason` is one clear line.
  case closed(PeerID, reason: String)
  /// A worker process that this program launched has ended, or could not begin; numbered from 0.
  case localWorkerExited(Int, reason: String)
  /// A checkpoint could not be written; the one before is still there.
  case checkpointFailed(String)
  /// A signal asks for the end.
  case interrupted
}

/// How a coordinator reaches its workers.
///
/// Any thread may call it.
public protocol WorkerLinks: AnyObject, Sendable {
  /// Sends to each of some peers, without waiting, what is urgent first; to one that is gone it
  /// does nothing.
  func send(_ message: CoordinatorMessage, to peers: [PeerID])
  /// Closes a connection once what was sent has left.
  func close(_ peer: PeerID)
  /// Bytes that came from workers since the start.
  var bytesReceived: Int { get }
  /// Bytes that went to workers since the start.
  var bytesSent: Int { get }
  /// What the slowest of the links carries in a second; nil where that is not known.
  var bytesPerSecond: Double? { get }
  /// Where a peer is; nil where nobody else could connect to it, or it is gone.
  func place(of peer: PeerID) -> PeerPlace?
}

/// Where a peer connects from.
public struct PeerPlace: Sendable {
  /// Its address, without the port.
  public let host: String
  /// Whether that is the coordinator's machine.
  public let isThisMachine: Bool
  /// What its connection carries in a second; nil where that is not known.
  public let bytesPerSecond: Double?

  /// With every field given.
  public init(host: String, isThisMachine: Bool, bytesPerSecond: Double?) {
    (self.host, self.isThisMachine) = (host, isThisMachine)
    self.bytesPerSecond = bytesPerSecond
  }
}

/// What can happen to a worker.
public enum WorkerInput: Sendable {
  /// The coordinator sent a message.
  case message(CoordinatorMessage)
  /// The connection is gone; `reason` is one clear line.
  case closed(reason: String)
  /// The same, and another try would end no better.
  case refused(reason: String)
  /// A signal asks for the end.
  case interrupted
}

/// How a worker reaches its coordinator.
///
/// Any thread may call it.
public protocol CoordinatorLink: AnyObject, Sendable {
  /// Sends in order, without waiting; where the connection is gone it does nothing.
  func send(_ message: WorkerMessage)
  /// Closes the connection once what was sent has left.
  func close()
  /// What the link carries in a second; nil where that is not known.
  var bytesPerSecond: Double? { get }
}
