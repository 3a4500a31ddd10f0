// What is on its way between workers and coordinators, and what goes wrong with it.

import Coordination
import NIOCore
import Primitives
import Training
import Wire

extension World {
  /// Limits as in the real network, but for sizes: gradients travel in parts here too, and there
  /// are so few places that they are taken.
  static let limits: Limits = {
    var limits = Limits.standard
    limits.partFloats = 64
    limits.connections = 6
    limits.strangers = 3
    limits.helloTimeout = 4
    limits.readyTimeout = 20
    return limits
  }()

  /// Puts bytes on their way; they arrive in order, in one part or two.
  func transmit(_ bytes: ByteBuffer, over path: SimulatedPath, of connection: SimulatedWire) {
    guard connection.condition != .silent else {
      path.inFlight += bytes.readableBytes
      return
    }
    let (relayed, isCut) = path.relayed(bytes)
    var rest = relayed
    let split = draws.int(0...3) == 0 ? draws.int(0...rest.readableBytes) : rest.readableBytes
    for length in [split, rest.readableBytes - split] where length > 0 {
      guard let receiver = path.receiver, let part = rest.readSlice(length: length) else {
        continue
      }
      path.inFlight += length
      queue.add(.end(receiver, .arrived(part)), at: arrival(over: path))
    }
    if isCut { cut(connection) }
  }

  /// The other end hears that this one is closed, after all that was sent before.
  func close(
    _ path: SimulatedPath, of connection: SimulatedWire, reason: String? = nil,
    messages: Int? = nil
  ) {
    path.isClosed = true
    guard connection.condition != .silent, let receiver = path.receiver else { return }
    queue.add(
      .end(receiver, .peerClosed(reason: reason, messages: messages)), at: arrival(over: path))
  }

  private func arrival(over path: SimulatedPath) -> Duration {
    path.lastArrival = max(now + moment(scenario.latency), path.lastArrival)
    return path.lastArrival
  }

  /// The connection breaks: of what is on its way some comes, and both ends are told.
  func cut(_ connection: SimulatedWire) {
    guard connection.condition != .silent else { return }
    connection.silence()
    for end in connection.ends {
      schedule(
        .end(end, .peerClosed(reason: "connection reset", messages: nil)),
        in: moment(scenario.latency))
    }
  }

  // MARK: The coordinator's ends

  /// A connection is there, at both ends.
  func open(_ connection: SimulatedConnection) {
    connections.append(connection)
    perform(admission.connected(connection.peer))
    connection.atCoordinator.open()
    connection.atWorker.open()
  }

  /// The coordinator's end has a message.
  func heard(_ message: WorkerMessage, from connection: SimulatedConnection) {
    guard isServed(connection) else { return }
    switch admission.heard(message, from: connection.peer, host: connection.host, now: clock) {
    case .deliver: break
    case .announce(let readyBy, let evicted):
      perform(evicted)
      queue.add(.readyIsDue(connection), at: readyBy - clockJump)
      step(.opened(connection.peer, address: connection.address))
    case .putOff(let reason): return connection.atCoordinator.fail(reason)
    case .turnAway(let reason):
      if connections.contains(where: { admission.readyBy($0.peer) != nil }) {
        violation = "a worker is turned away though one that is not ready could make room"
      }
      note("\(connection.peer) is turned away")
      connection.atCoordinator.send(CoordinatorMessage.refuse(reason: reason))
      return connection.atCoordinator.close()
    }
    step(.message(connection.peer, message))
  }

  /// The coordinator's end is closed.
  func ended(atCoordinator connection: SimulatedConnection, _ reason: String?) {
    guard isServed(connection) else { return }
    switch admission.closed(connection.peer, reason: reason) {
    case .worker(let reason): step(.closed(connection.peer, reason: reason))
    case .stranger(let reason): note("rejected \(connection.peer): \(reason)")
    }
  }

  /// A worker should be ready by now.
  func readyIsDue(_ connection: SimulatedConnection) {
    guard isServed(connection), !waitsForCoordinator(.readyIsDue(connection)) else { return }
    perform(admission.overdue(connection.peer, now: clock))
    if admission.readyBy(connection.peer) != nil {
      violation = "\(connection.peer) is not ready in time and keeps its place"
    }
  }

  private func isServed(_ connection: SimulatedConnection) -> Bool {
    connection.coordinator == generation && coordinator != nil && !process.isDead
  }

  private func perform(_ eviction: Admission.Eviction?) {
    guard let eviction else { return }
    connections[eviction.peer.raw].atCoordinator.fail(eviction.reason)
  }

  // MARK: The workers' ends

  /// A worker's end has a message.
  func heard(_ message: CoordinatorMessage, at connection: SimulatedConnection) {
    relay(connection) { $0.received(message) }
  }

  /// A worker's end is closed.
  func ended(atWorker connection: SimulatedConnection, _ reason: String?) {
    endChain(of: connection)
    if let reason { put(.closed(reason: reason), connection) }
  }

  /// Gives a worker what came.
  func put(_ input: WorkerInput, _ connection: SimulatedConnection) {
    let worker = connection.worker
    guard worker.connection === connection else { return }
    worker.inbox.append(input)
    pump(worker)
  }
}

/// How a simulated coordinator reaches its workers.
///
/// Only the thread of its world calls it.
final class SimulatedLinks: WorkerLinks, @unchecked Sendable {
  unowned var world: World!
  var bytesReceived: Int { 0 }
  var bytesSent: Int { 0 }

  var bytesPerSecond: Double? { nil }

  func place(of peer: PeerID) -> PeerPlace? {
    let connection = world.connections[peer.raw]
    // Each worker's link is as slow as its number says.
    return PeerPlace(
      host: connection.host, isThisMachine: false,
      bytesPerSecond: [nil, 1e6, 1e7, 3e6][connection.worker.number % 4])
  }

  func send(_ message: CoordinatorMessage, to peers: [PeerID]) {
    for peer in peers where world.process.acts() && world.admission.isWorker(peer) {
      world.connections[peer.raw].atCoordinator.send(message)
    }
  }

  func close(_ peer: PeerID) {
    guard world.process.acts(), world.admission.isWorker(peer) else { return }
    world.admission.leaves(peer)
    world.connections[peer.raw].atCoordinator.close()
  }
}

/// How a simulated worker reaches its coordinator.
final class SimulatedLink: CoordinatorLink, @unchecked Sendable {
  private unowned let world: World
  private let connection: SimulatedConnection

  init(_ world: World, _ connection: SimulatedConnection) {
    (self.world, self.connection) = (world, connection)
  }

  func send(_ message: WorkerMessage) { said(message).map(connection.atWorker.send) }

  /// What becomes of a message at a worker that lies, or says nothing.
  private func said(_ message: WorkerMessage) -> WorkerMessage? {
    let worker = connection.worker
    switch message {
    case .gradient where connection.isMute, .evaluated where connection.isMute: return nil
    case .gradient(var header, let local) where worker.lies:
      worker.lies = false
      // No two lie alike.
      header.totals[0].loss += world.draws.double()
      return .gradient(header, local)
    case .evaluated(var header) where worker.lies:
      worker.lies = false
      header.correct = header.count - header.correct
      header.loss += world.draws.double()
      return .evaluated(header)
    default: return message
    }
  }

  var bytesPerSecond: Double? { nil }

  func close() { connection.atWorker.close() }
}
