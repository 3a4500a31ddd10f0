import Coordination
import Wire

/// A connection between a worker and a coordinator.
final class SimulatedConnection: SimulatedWire {
  let peer: PeerID
  let worker: SimulatedWorker
  /// Which of the coordinators, one after the other, it leads to.
  let coordinator: Int
  /// Where it connects from.
  let host: String
  let toCoordinator = SimulatedPath()
  let toWorker = SimulatedPath()
  private(set) var atCoordinator: SimulatedEnd<WorkerMessage>!
  private(set) var atWorker: SimulatedEnd<CoordinatorMessage>!
  /// No answer gets to the coordinator any more.
  var isMute = false
  /// The worker's place in the chain, as long as this connection is there.
  var relay: Relay
  /// To the worker behind it.
  var successor: SimulatedChainLink?
  override var ends: [any ConnectionEnd] { [atCoordinator, atWorker] }

  /// A connection to the present coordinator of `world`.
  /// - Parameter host: nil for one that is the worker's alone.
  init(_ world: World, worker: SimulatedWorker, host: String? = nil) {
    self.worker = worker
    let number = world.connections.count
    peer = PeerID(raw: number)
    relay = Relay(
      limits: World.limits,
      listening: host == nil ? Listening(port: number, fingerprint: nil) : nil)
    coordinator = world.generation
    self.host = host ?? "worker \(worker.number)"
    super.init(world)
    atCoordinator = SimulatedEnd(
      self, input: toCoordinator, output: toWorker,
      introductionTimeout: World.limits.helloTimeout, waitsForEver: false,
      heard: { [unowned self] in self.world.heard($0, from: self) },
      ended: { [unowned self] in self.world.ended(atCoordinator: self, $0) })
    atWorker = SimulatedEnd(
      self, input: toWorker, output: toCoordinator,
      // An intruder goes when it is closed.
      introductionTimeout: nil, waitsForEver: host != nil,
      heard: { [unowned self] in self.world.heard($0, at: self) },
      ended: { [unowned self] in self.world.ended(atWorker: self, $0) })
  }

  var address: String { "worker \(worker.number)" }
}
