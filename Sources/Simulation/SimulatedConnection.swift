import Coordination
import Wire

/// A connection between a worker and a coordinator: two ends, and a path each way.
final class SimulatedConnection {
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
  /// Nothing gets through any more, and nobody is told.
  var isSilent = false
  /// No answer gets to the coordinator any more.
  var isMute = false
  /// Whether something was done to it: then not all that is sent arrives.
  var isDisturbed = false
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
      floats: world.job.job.gradients.buffer.bufferCount,
      heard: { [unowned self] in self.world.heard($0, from: self) },
      ended: { [unowned self] in self.world.ended(atCoordinator: self, $0) })
    atWorker = SimulatedEnd(
      self, input: toWorker, output: toCoordinator,
      // An intruder goes when it is closed.
      introductionTimeout: nil, waitsForEver: host != nil, floats: nil,
      heard: { [unowned self] in self.world.heard($0, at: self) },
      ended: { [unowned self] in self.world.ended(atWorker: self, $0) })
  }

  var address: String { "worker \(worker.number)" }
}
