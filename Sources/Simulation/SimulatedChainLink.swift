import Wire

/// A connection from one worker to the one behind it in the chain.
final class SimulatedChainLink: SimulatedWire {
  /// What the coordinator told of it.
  let successor: Successor
  /// Among the connections that others made to the receiver.
  let number: Int
  /// Whose connections to the coordinator it stands and falls with.
  let from: SimulatedConnection
  let to: SimulatedConnection
  let path = SimulatedPath()
  private let back = SimulatedPath()
  private(set) var atSender: SimulatedEnd<LinkMessage>!
  private(set) var atReceiver: SimulatedEnd<LinkMessage>!
  override var ends: [any ConnectionEnd] { [atSender, atReceiver] }

  init(
    _ world: World, _ successor: Successor, number: Int, from: SimulatedConnection,
    to: SimulatedConnection
  ) {
    (self.successor, self.number, self.from, self.to) = (successor, number, from, to)
    super.init(world)
    atSender = SimulatedEnd(
      self, input: back, output: path, introductionTimeout: nil, waitsForEver: false,
      heard: { _ in },
      ended: { [unowned self] in self.world.ended(atSender: self, $0) })
    atReceiver = SimulatedEnd(
      self, input: path, output: back, introductionTimeout: World.limits.helloTimeout,
      waitsForEver: false,
      heard: { [unowned self] in self.world.heard($0, over: self) },
      ended: { [unowned self] in self.world.ended(atReceiver: self, $0) })
  }
}
