// A coordinator that stands still while the others go on.

import Wire

extension World {
  /// Whether somebody takes connections: of a machine that sleeps nobody does.
  var canConnect: Bool { coordinator != nil && !process.isDead && waiting == nil }

  /// Keeps `occurrence` for later, where the coordinator stands still.
  /// - Returns: whether it does.
  func waitsForCoordinator(_ occurrence: Occurrence) -> Bool {
    waiting?.append(occurrence)
    return waiting != nil
  }

  /// The coordinator's process stands still, with its ends of all connections.
  func hangCoordinator(for duration: Duration) {
    guard canConnect else { return }
    waiting = []
    for end in coordinatorEnds { end.stop() }
    schedule(.coordinatorGoesOn, in: duration)
  }

  /// It goes on where it stood still.
  func coordinatorGoesOn() {
    guard let occurrences = waiting else { return }
    waiting = nil
    note("coordinator \(generation) goes on")
    // All ends run before one catches up: what it hears may be answered to another.
    let ends = coordinatorEnds.compactMap { end in end.resume().map { (end, $0) } }
    // The thread of the rules may see the time before the thread of the sockets brings anything.
    if draws.int(0...1) == 0 { step(nil) }
    for (end, events) in ends { end.catchUp(events) }
    for occurrence in occurrences { happen(occurrence) }
  }

  private var coordinatorEnds: [SimulatedEnd<WorkerMessage>] {
    connections.filter { $0.coordinator == generation }.map(\.atCoordinator)
  }
}
