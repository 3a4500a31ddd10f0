// Workers that hand parts of updates on to each other: does what their `Relay` says, as
// `WorkerRelay` does with sockets.

import Coordination
import Wire

extension World {
  /// Does what a worker's relay says of an event.
  func relay(
    _ connection: SimulatedConnection, _ event: (inout Relay) -> [Relay.Action]
  ) {
    for action in event(&connection.relay) {
      switch action {
      case .deliver(let message): put(.message(message), connection)
      case .tell(let message): connection.atWorker.send(message)
      case .connect(let successor): connect(connection, to: successor)
      case .disconnect: disconnect(connection)
      case .handOn(let message): connection.successor?.atSender.send(message)
      case .close(let number, let reason):
        chainLinks.first { $0.to === connection && $0.number == number }?.atReceiver.fail(reason)
      }
    }
  }

  private func connect(_ connection: SimulatedConnection, to successor: Successor) {
    disconnect(connection)
    let receiver = connections[successor.listening.port]
    guard receiver.atWorker.isOpen, !scenario.unreachable.contains(receiver.worker.number) else {
      return schedule(.unlinked(connection, link: successor.link), in: moment(scenario.latency))
    }
    let link = SimulatedChainLink(
      self, successor, number: chainLinks.count, from: connection, to: receiver)
    chainLinks.append(link)
    connection.successor = link
    note("worker \(connection.worker.number) hands on to worker \(receiver.worker.number)")
    relay(receiver) { $0.accepted(connection: link.number) }
    link.atReceiver.open()
    link.atSender.open()
    // A process that stands still takes connections too, but hears of none.
    if receiver.worker.isHanging { link.atReceiver.stop() }
    relay(connection) { $0.connected(successor) }
  }

  private func disconnect(_ connection: SimulatedConnection) {
    let link = connection.successor
    connection.successor = nil
    link?.atSender.fail("closed")
  }

  /// A worker's connection to its coordinator is gone: so are those to other workers.
  func endChain(of connection: SimulatedConnection) {
    disconnect(connection)
    for link in chainLinks where link.to === connection { link.atReceiver.fail("closed") }
  }

  // MARK: The ends of a link

  /// A worker hands something on.
  func heard(_ message: LinkMessage, over link: SimulatedChainLink) {
    relay(link.to) { $0.received(message, from: link.number) }
  }

  /// The sender's end is closed.
  func ended(atSender link: SimulatedChainLink, _ reason: String?) {
    if link.from.successor === link { link.from.successor = nil }
    relay(link.from) { $0.failed(link: link.successor.link, reason: reason ?? "closed") }
  }

  /// The receiver's end is closed.
  func ended(atReceiver link: SimulatedChainLink, _ reason: String?) {
    relay(link.to) { $0.closed(connection: link.number, reason: reason) }
  }
}
