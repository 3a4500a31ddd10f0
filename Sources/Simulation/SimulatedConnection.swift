import Coordination
import NIOCore
import Training
import Wire

/// A connection between a worker and a coordinator: two streams of real frames, each in order.
final class SimulatedConnection {
  let id: Int
  let worker: SimulatedWorker
  /// Which of the coordinators, one after the other, it leads to.
  let coordinator: Int
  var toCoordinator: Stream<WorkerMessage>
  var toWorker: Stream<CoordinatorMessage>
  /// Whether the coordinator was told of it.
  var isAnnounced = false
  /// Nothing gets through any more, and nobody is told.
  var isSilent = false
  /// No answer gets to the coordinator any more.
  var isMute = false

  init(_ id: Int, worker: SimulatedWorker, coordinator: Int, floats: Int) {
    self.id = id
    self.worker = worker
    self.coordinator = coordinator
    toCoordinator = Stream(floats: floats)
    toWorker = Stream(floats: nil)
  }

  var peer: PeerID { PeerID(raw: id) }
  var address: String { "worker \(worker.number)" }

  /// One direction.
  struct Stream<Message: WireMessage> {
    /// Whether its receiver still listens.
    var isOpen = true
    /// When the last bytes will have come.
    var lastArrival = Duration.zero
    /// What becomes of the next bytes.
    var damage: Scenario.Damage?
    /// Bytes that wait for those that will overtake them.
    var held: ByteBuffer?
    private let processor: NIOSingleStepByteToMessageProcessor<FrameDecoder<Message>>

    init(floats: Int?) {
      processor = NIOSingleStepByteToMessageProcessor(
        FrameDecoder<Message>(floats: floats, awaitsReady: floats != nil))
    }

    /// The messages that are whole with these bytes.
    /// - Throws: `WireError`.
    func receive(_ bytes: ByteBuffer) throws -> [Message] {
      var messages: [Message] = []
      try processor.process(buffer: bytes) { messages.append($0) }
      return messages.filter { !$0.isHeartbeat }
    }

    /// What comes out of the relay for what goes in.
    mutating func relayed(_ bytes: ByteBuffer) -> (bytes: ByteBuffer, isCut: Bool) {
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

  /// A message as it travels.
  static func bytes(_ message: some WireMessage) throws -> ByteBuffer {
    var all = ByteBuffer()
    var outgoing = try OutgoingMessage(message)
    while let frame = outgoing.next() {
      all.writeImmutableBuffer(frame.head)
      if let piece = frame.piece { all.writeImmutableBuffer(piece) }
    }
    return all
  }
}

/// A worker's process, while it runs.
final class SimulatedWorker {
  let number: Int
  /// Counts its processes.
  var incarnation = 0
  /// Nil while no process runs.
  var host: WorkerHost?
  var connection: SimulatedConnection?
  /// What came while it computed or stood still.
  var inbox: [WorkerInput] = []
  var isComputing = false
  var isHanging = false
  /// What was due while it stood still.
  var isComputed = false
  var slowness = 1.0
  /// Whether a bit of its next gradient will be wrong.
  var miscomputes = false
  /// Whether a float of its next gradient will be no number.
  var losesNumber = false
  /// Whether the totals that it says next will be wrong.
  var lies = false

  init(_ number: Int) { self.number = number }
}
