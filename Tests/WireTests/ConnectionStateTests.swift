import Engine
import NIOCore
import Testing
import Wire

/// The rules of a connection, event by event, on a clock of the test's own.
@Suite("Connection") struct ConnectionStateTests {
  private let hello = WorkerMessage.hello(
    Hello(version: "1", name: "a", process: 1, threads: 1, kernels: "baseline"))

  /// Heartbeats each second, silence after three.
  private func opened(
    _ limits: Limits = .standard, introductionTimeout: Double? = nil, waitsForEver: Bool = false
  ) -> ConnectionState {
    var state = ConnectionState(
      limits: limits, introductionTimeout: introductionTimeout, waitsForEver: waitsForEver)
    let preface = state.opened(now: .zero)
    #expect(preface.bytes == Preface.bytes)
    return state
  }

  /// Lets time pass until `end` or until the state closes; the timer is never late.
  /// - Returns: when it closed, and when heartbeats went out.
  private func run(
    _ state: inout ConnectionState, until end: Duration, unsent: Int = 0,
    hears: (Duration) -> Bool = { _ in false }
  ) -> (closed: Duration?, beats: [Duration]) {
    var beats: [Duration] = []
    var unsent = unsent
    while let now = state.wakeAt, now <= end {
      if hears(now) { _ = state.received(now: now) }
      switch state.tick(now: now, unsent: unsent) {
      case .close: return (now, beats)
      case .heartbeat(let frame):
        #expect(frame.byteCount == 9 && frame.bytes.getInteger(at: 4, as: UInt8.self) == 33)
        beats.append(now)
        if unsent > 0 { unsent += frame.byteCount }
      case .none: break
      }
    }
    return (nil, beats)
  }

  private func message(bytes: Int) throws -> OutgoingMessage {
    try OutgoingMessage(WorkerMessage.unable(reason: String(repeating: "x", count: bytes)))
  }

  /// All that the state gives to a socket that takes everything, and whether it closes then.
  private func written(
    _ state: inout ConnectionState, now: Duration = .zero
  ) -> (bytes: Int, closes: Bool) {
    var bytes = 0
    while true {
      switch state.write(now: now) {
      case .frame(let frame): bytes += frame.byteCount
      case .closeOutput: return (bytes, true)
      case .none: return (bytes, false)
      }
    }
  }

  // MARK: Life

  @Test func `A heartbeat a second; a peer that is silent for three is lost`() {
    var state = opened()
    let (closed, beats) = run(&state, until: .seconds(10))
    #expect(beats == [.seconds(1), .seconds(2)])
    #expect(closed.map { (.seconds(2.9) ... .seconds(3)).contains($0) } == true)
    #expect(state.wakeAt == nil)
    let told = state.closed()
    #expect(told == .report("silent for 3.0 s"))
    let again = state.closed()
    #expect(again == .none)
  }

  @Test func `Any byte is a sign of life`() {
    var state = opened()
    let isAlive = run(&state, until: .seconds(60)) { _ in true }
    #expect(isAlive.closed == nil && isAlive.beats.count == 60)
    let told = state.closed()
    #expect(told == .report("it closed the connection"))
  }

  @Test func `A launched worker waits for ever, and beats`() {
    var state = opened(waitsForEver: true)
    let (closed, beats) = run(&state, until: .seconds(100), unsent: 1)
    #expect(closed == nil && beats.count == 100)
  }

  @Test func `A peer that takes nothing of what waits is lost, one that takes a little is not`()
    throws
  {
    var state = opened()
    let action = state.send(try message(bytes: 1000))
    #expect(action == .write)
    let (bytes, _) = written(&state)
    let (closed, _) = run(&state, until: .seconds(10), unsent: bytes) { _ in true }
    #expect(closed.map { (.seconds(2.9) ... .seconds(3.1)).contains($0) } == true)
    let told = state.closed()
    #expect(told == .report("took none of what was sent for 3.0 s"))

    state = opened()
    _ = state.send(try message(bytes: 1000))
    var left = written(&state).bytes
    for second in 1...60 {
      let end = Duration.seconds(second)
      let (closed, _) = run(&state, until: end, unsent: left) { _ in true }
      #expect(closed == nil)
      left -= 10
    }
  }

  @Test func `A check that comes late blames this process, not the peer`() {
    var state = opened()
    _ = run(&state, until: .seconds(1))
    // It stood still for a minute.
    if case .close = state.tick(now: .seconds(61), unsent: 0) { Issue.record("lost at once") }
    let (closed, _) = run(&state, until: .seconds(100))
    #expect(closed.map { (.seconds(62) ... .seconds(63.1)).contains($0) } == true)

    // A little late is no excuse.
    state = opened()
    var now = Duration.zero
    while now < .seconds(4), let wake = state.wakeAt {
      now = wake + .milliseconds(250)
      if case .close = state.tick(now: now, unsent: 0) { break }
    }
    #expect((.seconds(2.9) ... .seconds(3.3)).contains(now))
  }

  @Test func `What is heard after a standstill gives no time beyond the bound`() {
    var state = opened()
    _ = run(&state, until: .seconds(1))
    // It stood still for a minute: first it hears what came, then its timer goes off.
    _ = state.received(now: .seconds(61))
    if case .close = state.tick(now: .seconds(61), unsent: 0) { Issue.record("lost at once") }
    let (closed, _) = run(&state, until: .seconds(100))
    #expect(closed.map { (.seconds(63.8) ... .seconds(64.1)).contains($0) } == true)
  }

  @Test func `The welcome's heartbeats count from then on`() {
    var welcome = Welcome(
      worker: 0, model: "{}", floats: 1, optimizer: RMSprop(), batchSize: 1, batchesPerUpdate: 1,
      pictures: "", augmentation: "", seed: 1, manifest: "")
    (welcome.heartbeat, welcome.heartbeatBound) = (0.125, 0.75)
    var state = opened()
    _ = state.received(now: .seconds(0.5))
    let action = state.received(CoordinatorMessage.welcome(welcome), now: .seconds(0.5))
    #expect(action == .deliver)
    let (closed, beats) = run(&state, until: .seconds(10))
    #expect(beats.first == .seconds(0.625) && beats.count == 5)
    #expect(closed == .seconds(1.25))
  }

  // MARK: Introduction

  @Test func `A stranger has a while to say hello, and heartbeats are none`() {
    var state = opened(introductionTimeout: 2.5)
    let action = state.received(WorkerMessage.heartbeat, now: .seconds(1))
    #expect(action == .ignore)
    let (closed, _) = run(&state, until: .seconds(10)) { _ in true }
    #expect(closed == .seconds(2.5))
    let told = state.closed()
    #expect(told == .report("sent no valid hello within 2.5 s"))

    state = opened(introductionTimeout: 2.5)
    let introduced = state.received(hello, now: .seconds(2))
    #expect(introduced == .deliver)
    let stays = run(&state, until: .seconds(10)) { _ in true }
    #expect(stays.closed == nil)
  }

  /// TLS counts as part of the introduction; it beats no heart.
  @Test func `A handshake of TLS has a bound, and what waits is sent after it`() throws {
    for (timeout, bound) in [(2.5, 2.5), (nil, Limits.standard.connectTimeout)] {
      var state = ConnectionState(limits: .standard, introductionTimeout: timeout)
      state.connected(now: .zero)
      #expect(state.received(now: .zero) == .drop)
      #expect(state.send(try OutgoingMessage(hello)) == .write)
      guard case .none = state.write(now: .zero) else {
        Issue.record("it is sent before it is locked")
        return
      }
      let (closed, beats) = run(&state, until: .seconds(10))
      #expect(closed == .seconds(bound) && beats.isEmpty)
      #expect(state.closed() == .report("made no TLS handshake within \(bound) s"))
    }
    var state = ConnectionState(limits: .standard, introductionTimeout: 2.5)
    state.connected(now: .zero)
    _ = state.send(try OutgoingMessage(hello))
    #expect(state.opened(now: .seconds(2)).bytes == Preface.bytes)
    guard case .frame = state.write(now: .seconds(2)) else {
      Issue.record("the hello does not follow")
      return
    }
    let (closed, _) = run(&state, until: .seconds(10)) { _ in true }
    #expect(closed == .seconds(2.5))
    state = ConnectionState(limits: .standard, introductionTimeout: nil)
    state.connected(now: .zero)
    #expect(state.close(now: .seconds(1)) == .close)
    #expect(state.closed() == .report(nil))
  }

  @Test func `Who says what is no message is left a second to read our version`() {
    var state = opened(introductionTimeout: 10)
    let action = state.misunderstood("it is no Dogsled program", now: .seconds(1))
    #expect(action == .closeOutput)
    let read = state.received(now: .seconds(1))
    #expect(read == .drop)
    let (closed, beats) = run(&state, until: .seconds(10))
    #expect(closed == .seconds(2) && beats.isEmpty)
    let later = state.failed("connection reset")
    #expect(later == .none)
    let told = state.closed()
    #expect(told == .report("it is no Dogsled program"))
  }

  // MARK: Ends

  @Test func `The first reason is the one that is told`() {
    var state = opened()
    let first = state.failed("it made room")
    #expect(first == .close)
    let second = state.failed("connection reset")
    #expect(second == .none)
    let third = state.misunderstood("no message", now: .zero)
    #expect(third == .none)
    let told = state.closed()
    #expect(told == .report("it made room"))
  }

  @Test func `Closing sends what waits, then closes the output, then waits for the peer`() throws {
    var state = opened()
    let message = try message(bytes: 500_000)
    let count = message.byteCount
    _ = state.send(message)
    _ = state.received(hello, now: .zero)
    let closing = state.close(now: .seconds(1))
    #expect(closing == .write)
    let late = state.send(message)
    #expect(late == .drop)
    let heard = (state.received(now: .seconds(1)), state.received(hello, now: .seconds(1)))
    #expect(heard == (.drop, .drop))
    let (bytes, closes) = written(&state, now: .seconds(1.5))
    #expect(bytes == count && closes)
    let again = written(&state, now: .seconds(1.5))
    #expect(again == (0, false))
    // Two seconds for the peer, and no heartbeat after the last word.
    let (closed, beats) = run(&state, until: .seconds(10))
    #expect(closed == .seconds(3.5) && beats.isEmpty)
    let told = state.closed()
    #expect(told == .report(nil))
  }

  @Test func `A peer that reads too slowly is waited for no longer than the bound`() throws {
    var state = opened()
    _ = state.send(try message(bytes: 500_000))
    _ = state.close(now: .seconds(1))
    // It takes nothing.
    let (closed, beats) = run(&state, until: .seconds(10)) { _ in true }
    #expect(closed == .seconds(4) && !beats.isEmpty)
    let told = state.closed()
    #expect(told == .report(nil))
  }

  @Test func `What is sent before the connection is there waits for it`() throws {
    var state = ConnectionState(limits: .standard)
    _ = state.send(try message(bytes: 10))
    let early = written(&state)
    #expect(early == (0, false) && state.wakeAt == nil)
    _ = state.opened(now: .seconds(1))
    let (bytes, _) = written(&state, now: .seconds(1))
    #expect(bytes > 10 && state.wakeAt != nil)

    state = ConnectionState(limits: .standard)
    let action = state.close(now: .zero)
    let told = state.closed()
    #expect(action == .close && told == .report(nil))
  }

  // MARK: The queue

  @Test func `Too much that waits ends the connection`() throws {
    var limits = Limits.standard
    limits.queued = 2500
    var state = opened(limits)
    let message = try message(bytes: 1000)
    let first = [state.send(message), state.send(message)]
    #expect(first == [.write, .write])
    // What the socket took does not wait.
    _ = written(&state)
    let next = [state.send(message), state.send(message), state.send(message)]
    #expect(next == [.write, .write, .close])
    let waiting = message.byteCount * 3
    let told = state.closed()
    #expect(told == .report("\(waiting) bytes wait to be sent: it is too slow"))
  }

  @Test func `What is short overtakes numbers, and what is needed first goes first`() throws {
    var state = opened()
    let sent = coordinatorMessages()
    for message in sent { _ = state.send(try OutgoingMessage(message)) }
    var reader = FrameReader<CoordinatorMessage>(limits: .standard)
    reader.append(Preface.bytes)
    var texts: [String] = []
    var now = Duration.zero
    while case .frame(let frame) = state.write(now: now) {
      reader.append(frame.bytes)
      while let message = try reader.next() { texts.append(text(message)) }
      // A heartbeat finds its way between any two.
      now += .seconds(1)
      _ = state.received(now: now)
      guard case .heartbeat(let beat) = state.tick(now: now, unsent: 0) else {
        Issue.record("no heartbeat after \(now)")
        continue
      }
      reader.append(beat.bytes)
      let heard = try reader.next()
      #expect(heard?.isHeartbeat == true)
    }
    try reader.finish()
    let pictures = sent.filter { if case .picture = $0 { true } else { false } }
    let short = sent.filter {
      switch $0 {
      case .part, .picture: false
      default: true
      }
    }
    let parts: [CoordinatorMessage] = [
      .part(samplePart(.state(buffer: 1))), .part(samplePart(.sum, index: 0)),
      .part(samplePart(.gradient(step: 7))),
    ]
    #expect(texts == (short + parts + pictures).map(text))
  }

  @Test func `A worker's messages go out in order`() throws {
    var state = opened()
    let sent = workerMessages()
    for message in sent { _ = state.send(try OutgoingMessage(message)) }
    var all: [ByteBuffer] = []
    while case .frame(let frame) = state.write(now: .zero) { all.append(frame.bytes) }
    #expect(try all == frames(sent))
  }
}
