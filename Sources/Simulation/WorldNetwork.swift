// What is on its way between workers and coordinators, and what goes wrong with it.

import Coordination
import NIOCore
import Primitives
import Training
import Wire

extension World {
  /// Puts bytes on their way; they arrive in order, in one part or two.
  func transmit(_ bytes: ByteBuffer, on connection: SimulatedConnection, toCoordinator: Bool) {
    guard !connection.isSilent else { return }
    let (relayed, isCut) =
      toCoordinator
      ? connection.toCoordinator.relayed(bytes) : connection.toWorker.relayed(bytes)
    var rest = relayed
    let split = draws.int(0...3) == 0 ? draws.int(0...rest.readableBytes) : rest.readableBytes
    for length in [split, rest.readableBytes - split] where length > 0 {
      guard let part = rest.readSlice(length: length) else { continue }
      let time = arrival(on: connection, toCoordinator: toCoordinator)
      queue.add(
        toCoordinator ? .atCoordinator(connection, part) : .atWorker(connection, part), at: time)
    }
    if isCut { cut(connection) }
  }

  /// A heartbeat each second.
  ///
  /// The simulation needs them on damaged connections alone: they bring on what is held back.
  func beat(_ connection: SimulatedConnection, _ toCoordinator: Bool) {
    guard toCoordinator ? connection.toCoordinator.isOpen : connection.toWorker.isOpen else {
      return
    }
    transmit(OutgoingMessage.heartbeat, on: connection, toCoordinator: toCoordinator)
    schedule(.heartbeat(connection, toCoordinator: toCoordinator), in: .seconds(1))
  }

  private func arrival(on connection: SimulatedConnection, toCoordinator: Bool) -> Duration {
    let time = now + moment(scenario.latency)
    if toCoordinator {
      connection.toCoordinator.lastArrival = max(time, connection.toCoordinator.lastArrival)
      return connection.toCoordinator.lastArrival
    }
    connection.toWorker.lastArrival = max(time, connection.toWorker.lastArrival)
    return connection.toWorker.lastArrival
  }

  /// The coordinator's end hears that the connection is closed, after all that was sent before.
  func closeAtCoordinator(_ connection: SimulatedConnection, _ reason: String) {
    queue.add(
      .closedAtCoordinator(connection, reason), at: arrival(on: connection, toCoordinator: true))
  }

  /// The worker's end hears that the connection is closed, after all that was sent before.
  func closeAtWorker(_ connection: SimulatedConnection, _ reason: String) {
    queue.add(
      .closedAtWorker(connection, reason), at: arrival(on: connection, toCoordinator: false))
  }

  /// The connection breaks: of what is on its way some comes, and both ends are told.
  func cut(_ connection: SimulatedConnection) {
    guard !connection.isSilent else { return }
    connection.isSilent = true
    queue.add(
      .closedAtCoordinator(connection, "connection reset"), at: now + moment(scenario.latency))
    queue.add(.closedAtWorker(connection, "connection reset"), at: now + moment(scenario.latency))
  }

  /// The connection lets nothing through: both ends find out by the silence.
  func silence(_ connection: SimulatedConnection) {
    guard !connection.isSilent else { return }
    connection.isSilent = true
    schedule(.closedAtCoordinator(connection, "silent for 3 s"), in: Self.bound)
    schedule(.closedAtWorker(connection, "silent for 3 s"), in: Self.bound)
  }

  /// Bytes reach the coordinator.
  func arrived(atCoordinator bytes: ByteBuffer, on connection: SimulatedConnection) {
    guard connection.toCoordinator.isOpen, connection.coordinator == generation else { return }
    do {
      for message in try connection.toCoordinator.receive(bytes) {
        guard connection.toCoordinator.isOpen, coordinator != nil else { return }
        if case .hello = message {
          connection.isAnnounced = true
          step(.opened(connection.peer, address: connection.address))
        }
        step(.message(connection.peer, message))
      }
    } catch {
      closedAtCoordinator(connection, "\(error)")
      closeAtWorker(connection, "it closed the connection")
    }
  }

  func closedAtCoordinator(_ connection: SimulatedConnection, _ reason: String) {
    guard connection.toCoordinator.isOpen, connection.coordinator == generation else { return }
    connection.toCoordinator.isOpen = false
    if connection.isAnnounced { step(.closed(connection.peer, reason: reason)) }
  }

  /// Bytes reach a worker.
  func arrived(atWorker bytes: ByteBuffer, on connection: SimulatedConnection) {
    guard connection.toWorker.isOpen, connection.worker.connection === connection else { return }
    do {
      for message in try connection.toWorker.receive(bytes) {
        connection.worker.inbox.append(.message(message))
      }
    } catch {
      closedAtWorker(connection, "\(error)")
      closeAtCoordinator(connection, "it closed the connection")
    }
    pump(connection.worker)
  }

  func closedAtWorker(_ connection: SimulatedConnection, _ reason: String) {
    guard connection.toWorker.isOpen, connection.worker.connection === connection else { return }
    connection.toWorker.isOpen = false
    connection.worker.inbox.append(.closed(reason: reason))
    pump(connection.worker)
  }
}

/// How a simulated coordinator reaches its workers.
///
/// Only the thread of its world calls it.
final class SimulatedLinks: WorkerLinks, @unchecked Sendable {
  unowned var world: World!
  var bytesReceived: Int { 0 }
  var bytesSent: Int { 0 }

  func send(_ message: CoordinatorMessage, to peer: PeerID) {
    let connection = world.connections[peer.raw]
    guard world.process.acts(), connection.toCoordinator.isOpen else { return }
    do {
      world.transmit(
        try SimulatedConnection.bytes(message), on: connection, toCoordinator: false)
    } catch {
      world.violation = "a message cannot be encoded: \(error)"
    }
  }

  func close(_ peer: PeerID) {
    let connection = world.connections[peer.raw]
    guard world.process.acts(), connection.toCoordinator.isOpen else { return }
    connection.toCoordinator.isOpen = false
    world.closeAtWorker(connection, "the coordinator closed the connection")
  }
}

/// How a simulated worker reaches its coordinator.
final class SimulatedLink: CoordinatorLink, @unchecked Sendable {
  private unowned let world: World
  private let connection: SimulatedConnection

  init(_ world: World, _ connection: SimulatedConnection) {
    (self.world, self.connection) = (world, connection)
  }

  func send(_ message: WorkerMessage) {
    guard connection.toWorker.isOpen, let said = said(message) else { return }
    do {
      world.transmit(try SimulatedConnection.bytes(said), on: connection, toCoordinator: true)
    } catch {
      world.violation = "a message cannot be encoded: \(error)"
    }
  }

  /// What becomes of a message at a worker that lies, or says nothing.
  private func said(_ message: WorkerMessage) -> WorkerMessage? {
    let worker = connection.worker
    switch message {
    case .gradient where connection.isMute, .evaluated where connection.isMute: return nil
    case .gradient(var header, let body) where worker.lies:
      worker.lies = false
      // No two lie alike.
      header.loss += world.draws.double()
      return .gradient(header, body)
    case .evaluated(var header) where worker.lies:
      worker.lies = false
      header.correct = header.count - header.correct
      header.loss += world.draws.double()
      return .evaluated(header)
    default: return message
    }
  }

  func close() {
    guard connection.toWorker.isOpen else { return }
    connection.toWorker.isOpen = false
    world.closeAtCoordinator(connection, "it closed the connection")
  }
}
