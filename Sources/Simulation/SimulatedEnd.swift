import NIOCore
import Wire

/// What can happen to one end of a connection.
enum EndEvent {
  /// Bytes came.
  case arrived(ByteBuffer)
  /// The other end is closed. `reason` is given where the connection broke, `messages` where that
  /// end closed in order: how many it had sent.
  case peerClosed(reason: String?, messages: Int?)
  /// The state wanted to be woken now.
  case wake(Duration)
  /// This end is closed.
  case closed
}

/// One end of a simulated connection, of either side.
protocol ConnectionEnd: AnyObject {
  /// What happens to it.
  func happen(_ event: EndEvent)
  /// The network has taken some of what this end sent.
  func pump()
  /// Its process stands still.
  func stop()
  /// Its process goes on.
  func goOn()
  /// Its process is gone; nobody is told at this end.
  func die(_ reason: String?)
}

/// Drives the `ConnectionState` of one end, as `ConnectionHandler` does for a socket: real frames,
/// a simulated clock, and a process that may be stopped or killed.
final class SimulatedEnd<Incoming: WireMessage>: ConnectionEnd {
  private enum Process {
    case running
    /// SIGSTOP: what happens meanwhile waits.
    case stopped([EndEvent])
    /// It has ended, or closed this end.
    case gone
  }

  private unowned let world: World
  private unowned let connection: SimulatedWire
  private let input: SimulatedPath
  private let output: SimulatedPath
  private let heard: (Incoming) -> Void
  private let ended: (String?) -> Void
  /// Whether a silent peer is lost.
  private let losesPeer: Bool
  private var process = Process.running
  private var state: ConnectionState
  private var reader: FrameReader<Incoming>
  private var wakesAt: Duration?
  /// When bytes last came.
  private var lastArrival = Duration.zero
  /// Messages that the state took, and that it delivered.
  private var (sent, received) = (0, 0)
  /// Whether it takes nothing from the network.
  var isDeaf = false

  /// - Parameters:
  ///   - heard: called with each message.
  ///   - ended: called once, with the reason or, where this end closed, nil.
  init(
    _ connection: SimulatedWire, input: SimulatedPath, output: SimulatedPath,
    introductionTimeout: Double?, waitsForEver: Bool,
    heard: @escaping (Incoming) -> Void,
    ended: @escaping (String?) -> Void
  ) {
    self.connection = connection
    world = connection.world
    (self.input, self.output) = (input, output)
    (self.heard, self.ended) = (heard, ended)
    losesPeer = !waitsForEver
    state = ConnectionState(
      limits: World.limits, introductionTimeout: introductionTimeout, waitsForEver: waitsForEver)
    reader = FrameReader(limits: World.limits)
    input.receiver = self
    output.sender = self
  }

  // MARK: What its owner wants

  func open() {
    begin()
    world.transmit(state.opened(now: world.clock).bytes, over: output, of: connection)
    pump()
  }

  func send(_ message: some WireMessage) {
    guard isRunning else { return }
    do {
      switch state.send(try OutgoingMessage(message, limits: World.limits)) {
      case .write:
        sent += 1
        pump()
      case .close: closeAtOnce()
      case .drop: break
      }
    } catch {
      world.violation = "a message cannot be encoded: \(error)"
    }
  }

  func close() { if state.close(now: world.clock) == .write { pump() } }

  func fail(_ reason: String) { perform(state.failed(reason)) }

  // MARK: Its process

  private var isRunning: Bool { if case .running = process { true } else { false } }

  /// Whether its process is there, and has not closed it.
  var isOpen: Bool { if case .gone = process { false } else { true } }

  func stop() {
    guard isRunning else { return }
    process = .stopped([])
    connection.stoodStill = true
  }

  func goOn() { resume().map(catchUp) }

  /// The process goes on.
  /// - Returns: what happened in the meantime, for `catchUp`; nil where it did not stand still.
  func resume() -> [EndEvent]? {
    guard case .stopped(let events) = process else { return nil }
    process = .running
    begin()
    return events
  }

  /// As an event loop does: first what came, then the timers.
  func catchUp(_ events: [EndEvent]) {
    for event in events { happen(event) }
    wakesAt = nil
    if isRunning { tick() }
  }

  /// The process is gone; nobody is told at this end.
  func die(_ reason: String?) {
    if case .gone = process { return }
    process = .gone
    connection.disturb()
    world.close(output, of: connection, reason: reason)
  }

  // MARK: What the network does

  func happen(_ event: EndEvent) {
    switch process {
    case .gone: return
    case .stopped(let events):
      process = .stopped(events + [event])
      return
    case .running: break
    }
    switch event {
    case .arrived(let bytes): arrived(bytes)
    case .peerClosed(let reason, let messages): peerClosed(reason, messages)
    case .wake(let time): if time == wakesAt { tick() }
    case .closed:
      process = .gone
      guard case .report(let reason) = state.closed() else { return }
      if let reason { checkIsJust(reason) }
      ended(reason)
    }
  }

  private func arrived(_ bytes: ByteBuffer) {
    guard !isDeaf else { return }
    lastArrival = world.now
    input.inFlight -= bytes.readableBytes
    input.lastTaken = world.now
    input.sender?.pump()
    guard state.received(now: world.clock) == .decode else { return }
    reader.append(bytes)
    do {
      reading: while let message = try reader.next() {
        switch state.received(message, now: world.clock) {
        case .deliver:
          received += 1
          heard(message)
        case .ignore: break
        case .drop: break reading
        }
        guard isRunning else { return }
      }
    } catch {
      perform(state.misunderstood("\(error)", now: world.clock))
    }
    scheduleWake()
  }

  private func peerClosed(_ reason: String?, _ messages: Int?) {
    if let messages, messages != received, connection.condition == .whole,
      state.received(now: world.clock) == .decode
    {
      world.violation = "\(received) of \(messages) messages came before the end of a connection"
    }
    do {
      try reader.finish()
    } catch {
      _ = state.misunderstood("\(error)", now: world.clock)
    }
    if let reason { _ = state.failed(reason) }
    closeAtOnce()
  }

  // MARK: What is done

  func pump() {
    guard isRunning else { return }
    var bytes = ByteBuffer()
    pumping: while output.inFlight + bytes.readableBytes < world.scenario.window {
      switch state.write(now: world.clock) {
      case .frame(let frame): bytes.writeImmutableBuffer(frame.bytes)
      case .closeOutput:
        transmit(bytes)
        closeOutput(messages: sent)
        return scheduleWake()
      case .none: break pumping
      }
    }
    transmit(bytes)
    scheduleWake()
  }

  private func transmit(_ bytes: ByteBuffer) {
    guard bytes.readableBytes > 0, !output.isClosed else { return }
    world.transmit(bytes, over: output, of: connection)
  }

  private func tick() {
    let unsent = max(0, output.inFlight - world.scenario.window)
    if unsent == 0 { output.lastTaken = world.now }
    switch state.tick(now: world.clock, unsent: unsent) {
    case .heartbeat(let frame): transmit(frame.bytes)
    case .close: return closeAtOnce()
    case .none: break
    }
    checkIsAlive()
    scheduleWake()
  }

  private func perform(_ action: ConnectionState.FailureAction) {
    switch action {
    case .close: closeAtOnce()
    case .closeOutput:
      closeOutput(messages: nil)
      scheduleWake()
    case .none: break
    }
  }

  private func closeOutput(messages: Int?) {
    guard !output.isClosed else { return }
    world.close(output, of: connection, messages: messages)
  }

  private func closeAtOnce() {
    closeOutput(messages: nil)
    world.schedule(.end(self, .closed), in: .zero)
  }

  private func scheduleWake() {
    guard let time = state.wakeAt, wakesAt.map({ time < $0 || $0 <= world.clock }) ?? true else {
      return
    }
    wakesAt = time
    world.queue.add(.end(self, .wake(time)), at: max(time - world.clockJump, world.now))
  }

  // MARK: What must hold

  private func begin() { (lastArrival, output.lastTaken) = (world.now, world.now) }

  /// An end that goes on has a peer, or closes soon.
  private func checkIsAlive() {
    let most = Duration.seconds(World.limits.heartbeatBound * 2)
    guard losesPeer, isRunning, world.now - min(lastArrival, output.lastTaken) > most else {
      return
    }
    world.violation = "an end goes on with a peer that is silent or takes nothing"
  }

  /// Who does as it should is not lost.
  private func checkIsJust(_ reason: String) {
    guard reason.hasPrefix("silent for") || reason.hasPrefix("took none"),
      connection.condition == .whole, !connection.stoodStill
    else { return }
    world.violation = "a peer is lost that did all it should: \(reason)"
  }
}
