import Coordination
import Wire

/// A connection between a worker and a coordinator: two ends, and a path each way.
final class SimulatedConnection {
  /// What of all that is sent arrives.
  enum Condition {
    /// All.
    case whole
    /// Not all: something was done to the connection.
    case disturbed
    /// Nothing any more, and nobody is told.
    case silent
  }

  unowned let world: World
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
  private(set) var condition = Condition.whole
  /// No answer gets to the coordinator any more.
  var isMute = false
  /// Whether one of its ends stood still: then the other may lose it.
  var stoodStill = false

  /// A connection to the present coordinator of `world`.
  /// - Parameter host: nil for one that is the worker's alone.
  init(_ world: World, worker: SimulatedWorker, host: String? = nil) {
    self.world = world
    self.worker = worker
    peer = PeerID(raw: world.connections.count)
    coordinator = world.generation
    self.host = host ?? "worker \(worker.number)"
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

  /// Something is done to it.
  func disturb() { if condition == .whole { condition = .disturbed } }

  /// It lets nothing through any more: both ends find out by the silence.
  func silence() { condition = .silent }

  var address: String { "worker \(worker.number)" }
}
