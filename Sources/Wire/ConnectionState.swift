import Primitives

/// The rules of one side of a connection: when to send a heartbeat, what may still be sent or
/// heard, when the connection ends, and why.
///
/// Each event is a method that returns what is to be done now. Time comes with the events: there is
/// no clock, no socket and no timer here. `ConnectionHandler` drives it for a socket, and
/// `SimulatedEnd` in the simulation.
package struct ConnectionState: Sendable {
  private enum Phase {
    case connecting
    /// TLS is agreed on; that has until then.
    case securing(until: Duration)
    /// The peer has not said who it is; it has until then, or for ever.
    case strange(until: Duration?)
    case introduced
    /// This side was asked to close: what waits is sent before, but not after then.
    case closing(until: Duration)
    /// This side has said its last: until then the peer may read it and close as well.
    case lingering(until: Duration, reason: String?)
    /// To be closed at once.
    case ended(reason: String?)
    case closed
  }

  /// How long the peer may take to close its side after ours.
  private static let linger = Duration.seconds(2)
  /// How long a peer whose bytes are no message may still read our preface: it may speak another
  /// version.
  private static let misunderstanding = Duration.seconds(1)

  private let limits: Limits
  /// Seconds for the peer's first message, TLS included; nil for ever.
  private let introductionTimeout: Double?
  private var phase = Phase.connecting
  private var liveness: Liveness
  private var queue = SendQueue()
  private var framesSent: UInt32 = 0

  /// A connection that is being made.
  /// - Parameters:
  ///   - introductionTimeout: seconds for the peer's first message; nil for ever.
  ///   - waitsForEver: for a peer that is silent.
  package init(limits: Limits, introductionTimeout: Double? = nil, waitsForEver: Bool = false) {
    self.limits = limits
    self.introductionTimeout = introductionTimeout
    liveness = Liveness(
      heartbeat: limits.heartbeat, bound: limits.heartbeatBound, waitsForEver: waitsForEver)
  }

  /// When to call `tick`, which an event may bring forward; nil while the connection is being made,
  /// and once it has ended.
  package var wakeAt: Duration? {
    switch phase {
    case .connecting, .ended, .closed: nil
    case .securing(let until): until
    case .strange(until: nil), .introduced: liveness.wakeAt
    case .strange(let until?), .closing(let until): min(until, liveness.wakeAt)
    case .lingering(let until, _): until
    }
  }
}

// MARK: What the socket does

extension ConnectionState {
  /// The connection is there, and TLS has to be agreed on before anything else: `opened` says when
  /// that is done.
  package mutating func connected(now: Duration) {
    guard case .connecting = phase else { return }
    let most = introductionTimeout ?? limits.connectTimeout
    phase = .securing(until: now + .limited(seconds: most))
  }

  /// The connection is there, and may be used.
  /// - Returns: the frame to write: the preface.
  package mutating func opened(now: Duration) -> OutgoingFrame {
    switch phase {
    case .connecting:
      phase = .strange(until: introductionTimeout.map { now + .limited(seconds: $0) })
    case .securing(let until):
      phase = .strange(until: introductionTimeout == nil ? nil : until)
    case .strange, .introduced, .closing, .lingering, .ended, .closed: break
    }
    liveness.begin(now: now)
    return given(OutgoingFrame([Preface.bytes]))
  }

  /// What to do with bytes that came.
  package enum ReceiveAction: Equatable {
    /// Take messages out of them.
    case decode
    /// Nothing: this side has said its last, and only waits for the peer.
    case drop
  }

  /// Bytes came.
  package mutating func received(now: Duration) -> ReceiveAction {
    liveness.received(now: now)
    switch phase {
    case .strange, .introduced: return .decode
    case .connecting, .securing, .closing, .lingering, .ended, .closed: return .drop
    }
  }

  /// What to do with a message.
  package enum MessageAction: Equatable {
    /// Give it to the owner.
    case deliver
    /// Nothing, and go on reading.
    case ignore
    /// Nothing, and read no further.
    case drop
  }

  /// A whole message came.
  package mutating func received(_ message: some WireMessage, now: Duration) -> MessageAction {
    switch phase {
    case .connecting, .securing, .closing, .lingering, .ended, .closed: return .drop
    case .strange, .introduced: break
    }
    if message.isHeartbeat { return .ignore }
    phase = .introduced
    if let (heartbeat, bound) = message.announcedHeartbeat {
      liveness.adopt(heartbeat: heartbeat, bound: bound, now: now)
    }
    return .deliver
  }

  /// What to do with an error.
  package enum FailureAction: Equatable {
    /// Close at once.
    case close
    /// Close the output, and go on reading.
    case closeOutput
    /// Nothing: it has ended.
    case none
  }

  /// The peer sent bytes that are no message.
  package mutating func misunderstood(_ reason: String, now: Duration) -> FailureAction {
    switch phase {
    case .strange, .introduced:
      queue = SendQueue()
      phase = .lingering(until: now + Self.misunderstanding, reason: reason)
      return .closeOutput
    case .connecting, .securing, .closing, .lingering, .ended, .closed: return failed(reason)
    }
  }

  /// The connection cannot go on, for what the socket says or for another's reason.
  package mutating func failed(_ reason: String) -> FailureAction {
    switch phase {
    case .connecting, .securing, .strange, .introduced: end(reason)
    case .closing: end(nil)
    case .lingering(_, let first): end(first)
    case .ended, .closed: return .none
    }
    return .close
  }

  /// What to tell the owner.
  package enum CloseAction: Equatable {
    /// The end, with one line that says why; nil where this side closed the connection.
    case report(String?)
    /// Nothing: it was told.
    case none
  }

  /// The connection is gone.
  package mutating func closed() -> CloseAction {
    defer {
      phase = .closed
      queue = SendQueue()
    }
    switch phase {
    case .connecting, .securing, .strange, .introduced: return .report("it closed the connection")
    case .closing: return .report(nil)
    case .lingering(_, let reason), .ended(let reason): return .report(reason)
    case .closed: return .none
    }
  }

  private mutating func end(_ reason: String?) {
    phase = .ended(reason: reason)
    queue = SendQueue()
  }

  private mutating func given(_ message: OutgoingMessage) -> OutgoingFrame {
    defer { framesSent &+= 1 }
    return given(message.frame(number: framesSent))
  }

  private mutating func given(_ frame: OutgoingFrame) -> OutgoingFrame {
    liveness.gave(frame.byteCount)
    return frame
  }
}

// MARK: What the owner wants

extension ConnectionState {
  /// What to do where the owner sends or closes.
  package enum SendAction: Equatable {
    /// Call `write` while the socket takes more.
    case write
    /// Nothing: this side has closed.
    case drop
    /// Close at once.
    case close
  }

  /// A message is to be sent.
  package mutating func send(_ message: OutgoingMessage) -> SendAction {
    switch phase {
    case .closing, .lingering, .ended, .closed: return .drop
    case .connecting, .securing, .strange, .introduced: queue.append(message)
    }
    guard queue.byteCount > limits.queued else { return .write }
    end("\(queue.byteCount) bytes wait to be sent: it is too slow")
    return .close
  }

  /// What to give to the socket.
  package enum WriteAction {
    case frame(OutgoingFrame)
    /// Close the output: all is sent.
    ///
    /// The peer reads all that was sent before it sees the end; closing both ways at once could
    /// throw it away.
    case closeOutput
    /// Nothing waits.
    case none
  }

  /// The open socket takes more.
  package mutating func write(now: Duration) -> WriteAction {
    switch phase {
    case .strange, .introduced: return queue.next().map { .frame(given($0)) } ?? .none
    case .closing(let until):
      if let frame = queue.next() { return .frame(given(frame)) }
      phase = .lingering(until: min(now + Self.linger, until), reason: nil)
      return .closeOutput
    case .connecting, .securing, .lingering, .ended, .closed: return .none
    }
  }

  /// The owner closes.
  package mutating func close(now: Duration) -> SendAction {
    switch phase {
    case .connecting, .securing:
      end(nil)
      return .close
    case .strange, .introduced:
      phase = .closing(until: now + .limited(seconds: limits.heartbeatBound))
      return .write
    case .closing, .lingering, .ended, .closed: return .drop
    }
  }
}

// MARK: Time

extension ConnectionState {
  /// What to do now.
  package enum TickAction {
    case heartbeat(OutgoingFrame)
    /// Close at once.
    case close
    case none
  }

  /// Time has passed.
  /// - Parameter unsent: bytes that the socket was given and has not taken.
  package mutating func tick(now: Duration, unsent: Int) -> TickAction {
    switch phase {
    case .connecting, .ended, .closed: return .none
    case .securing(let until):
      guard now >= until else { return .none }
      end("made no TLS handshake within \(introductionTimeout ?? limits.connectTimeout) s")
      return .close
    case .lingering(let until, let reason):
      guard now >= until else { return .none }
      end(reason)
      return .close
    case .closing(let until) where now >= until:
      end(nil)
      return .close
    case .strange(let until?) where now >= until:
      end("sent no valid hello within \(introductionTimeout ?? 0) s")
      return .close
    case .strange, .introduced, .closing: break
    }
    if let reason = liveness.check(now: now, unsent: unsent) {
      _ = failed(reason)
      return .close
    }
    guard liveness.beats(now: now) else { return .none }
    return .heartbeat(given(OutgoingMessage.heartbeat))
  }
}
