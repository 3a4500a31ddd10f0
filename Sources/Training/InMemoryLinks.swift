import Coordination
import Primitives
import Synchronization
import Wire

/// Links between a coordinator and workers in one process: messages pass through mailboxes, bodies
/// by reference.
public final class InMemoryLinks: WorkerLinks {
  private let coordinator: Mailbox<CoordinatorInput>
  private let workers = Mutex<[PeerID: Mailbox<WorkerInput>]>([:])

  /// Links to the coordinator that reads `mailbox`.
  public init(coordinator mailbox: Mailbox<CoordinatorInput>) { coordinator = mailbox }

  /// A connection for a worker that reads `mailbox`.
  public func connect(_ mailbox: Mailbox<WorkerInput>) -> any CoordinatorLink {
    let peer = workers.withLock { workers in
      let peer = PeerID(raw: workers.count)
      workers[peer] = mailbox
      return peer
    }
    coordinator.put(.opened(peer, address: "this process"))
    return Link(peer: peer, coordinator: coordinator)
  }

  /// Puts the message into the workers' mailboxes.
  public func send(_ message: CoordinatorMessage, to peers: [PeerID]) {
    for peer in peers { workers.withLock { $0[peer] }?.put(.message(message)) }
  }

  /// Tells the worker that its connection is gone.
  public func close(_ peer: PeerID) {
    workers.withLock { $0[peer] }?.put(.closed(reason: "the coordinator closed the connection"))
  }

  /// Nothing travels.
  public var bytesReceived: Int { 0 }
  /// Nothing travels.
  public var bytesSent: Int { 0 }
  /// Without a limit.
  public var bytesPerSecond: Double? { .infinity }
  /// Workers cannot reach each other, and need not.
  public func place(of peer: PeerID) -> PeerPlace? { nil }

  private final class Link: CoordinatorLink {
    private let peer: PeerID
    private let coordinator: Mailbox<CoordinatorInput>

    init(peer: PeerID, coordinator: Mailbox<CoordinatorInput>) {
      (self.peer, self.coordinator) = (peer, coordinator)
    }

    func send(_ message: WorkerMessage) { coordinator.put(.message(peer, message)) }

    var bytesPerSecond: Double? { .infinity }

    func close() { coordinator.put(.closed(peer, reason: "the worker closed the connection")) }
  }
}
