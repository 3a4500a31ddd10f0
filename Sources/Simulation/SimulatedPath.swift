import NIOCore

/// One direction of a simulated connection: bytes arrive in order, after a while.
final class SimulatedPath {
  weak var sender: (any ConnectionEnd)?
  weak var receiver: (any ConnectionEnd)?
  /// When the last bytes will have come.
  var lastArrival = Duration.zero
  /// Bytes that the receiver has not taken yet.
  var inFlight = 0
  /// When it last took some.
  var lastTaken = Duration.zero
  /// Whether the sender has said its last.
  var isClosed = false
  /// What becomes of the next bytes.
  var damage: Scenario.Damage?
  /// Bytes that wait for those that will overtake them.
  private var held: ByteBuffer?

  /// What comes out of the relay for what goes in.
  func relayed(_ bytes: ByteBuffer) -> (bytes: ByteBuffer, isCut: Bool) {
    if var first = held {
      held = nil
      // Overtaken: the later bytes come first.
      var swapped = bytes
      swapped.writeBuffer(&first)
      return (swapped, false)
    }
    guard let damage else { return (bytes, false) }
    self.damage = nil
    var damaged = bytes
    switch damage {
    case .flipBit(let number):
      let bit = number % (bytes.readableBytes * 8)
      let byte: UInt8 = damaged.getInteger(at: damaged.readerIndex + bit / 8) ?? 0
      damaged.setInteger(byte ^ (1 << UInt8(bit % 8)), at: damaged.readerIndex + bit / 8)
    case .cutShort:
      return (bytes.getSlice(at: bytes.readerIndex, length: bytes.readableBytes / 2)!, true)
    case .repeated:
      var again = bytes
      damaged.writeBuffer(&again)
    case .swapped:
      held = bytes
      damaged = ByteBuffer()
    }
    return (damaged, false)
  }
}
