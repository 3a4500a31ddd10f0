/// A simulated connection of any kind: two ends, and a path each way.
class SimulatedWire {
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
  private(set) var condition = Condition.whole
  /// Whether one of its ends stood still: then the other may lose it.
  var stoodStill = false
  /// Both.
  var ends: [any ConnectionEnd] { [] }

  init(_ world: World) { self.world = world }

  /// Something is done to it.
  func disturb() { if condition == .whole { condition = .disturbed } }

  /// It lets nothing through any more: both ends find out by the silence.
  func silence() { condition = .silent }
}
