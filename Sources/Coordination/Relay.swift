import Wire

/// A worker's place in the chain: it gets parts of updates from the coordinator or from the worker
/// before it, and hands them on to the one behind.
///
/// Rules alone: whoever has the sockets says what happens, and does what they say.
package struct Relay: Sendable {
  /// What is to be done.
  package enum Action: Sendable {
    /// Give the worker a message of the coordinator's.
    case deliver(CoordinatorMessage)
    /// Send the coordinator a message.
    case tell(WorkerMessage)
    /// Close the connection to the successor, where there is one, and make one to this.
    case connect(Successor)
    /// Close the connection to the successor, where there is one.
    case disconnect
    /// Send the successor a message.
    case handOn(LinkMessage)
    /// Close a connection that another made.
    case close(connection: Int, reason: String)
  }

  private let limits: Limits
  private let listening: Listening?
  private var successor: (link: Int, isConnected: Bool)?
  private var predecessor: (connection: Int, link: Int)?
  /// The greatest link to this worker that the coordinator has told of.
  private var latest = 0
  /// That link, while nobody has used it.
  private var permit: LinkPermit?
  /// What connections said of links that the coordinator has not told of yet.
  private var early: [Int: LinkIntroduction] = [:]
  /// Connections of those that may not hand anything on, by age.
  private var strangers: [Int] = []

  /// Nobody is before it, nobody behind.
  /// - Parameter listening: nil where nobody can connect.
  package init(limits: Limits, listening: Listening?) {
    (self.limits, self.listening) = (limits, listening)
  }

  /// The number of the link to the successor that it was told of last; nil where there is none.
  package var link: Int? { successor?.link }

  /// The coordinator said something.
  package mutating func received(_ message: CoordinatorMessage) -> [Action] {
    switch message {
    case .welcome:
      return [.deliver(message)] + (listening.map { [.tell(.listens($0))] } ?? [])
    case .successor(let successor):
      self.successor = successor.map { ($0.link, false) }
      return [successor.map(Action.connect) ?? .disconnect]
    case .predecessor(let permit): return expect(permit)
    case .part(let part):
      if case .state = part.content { return [.deliver(message)] }
      return take(part)
    default: return [.deliver(message)]
    }
  }

  /// A part of an update came.
  private func take(_ part: Part) -> [Action] {
    // On its way again before it is looked at here.
    let copies: [Action] = successor?.isConnected == true ? [.handOn(.part(part))] : []
    return copies + [.deliver(.part(part))]
  }

  // MARK: The one behind

  /// A connection to the successor is there.
  package mutating func connected(_ successor: Successor) -> [Action] {
    guard self.successor?.link == successor.link else { return [] }
    self.successor?.isConnected = true
    return [
      .handOn(
        .introduction(LinkIntroduction(link: successor.link, secret: successor.secret)))
    ]
  }

  /// There is no connection to a successor, or no more.
  package mutating func failed(link: Int, reason: String) -> [Action] {
    guard successor?.link == link else { return [] }
    successor = nil
    return [.tell(.link(LinkReport(link: link, failure: reason)))]
  }

  // MARK: The one before

  /// Somebody has connected.
  package mutating func accepted(connection: Int) -> [Action] {
    strangers.append(connection)
    guard strangers.count > limits.strangers else { return [] }
    return [
      .close(
        connection: strangers.removeFirst(), reason: "closed to make room for newer connections")
    ]
  }

  /// Somebody that has connected said something.
  package mutating func received(_ message: LinkMessage, from connection: Int) -> [Action] {
    switch message {
    case .heartbeat: return []
    case .introduction(let introduction): return introduce(introduction, connection)
    case .part(let part):
      guard connection == predecessor?.connection else { return [] }
      if case .state = part.content {
        return [.close(connection: connection, reason: "it sent a part of no update")]
      }
      return take(part)
    }
  }

  /// The coordinator tells of a link before it tells the worker at its other end, who may be
  /// quicker all the same.
  private mutating func expect(_ permit: LinkPermit) -> [Action] {
    guard permit.link > latest else { return [] }
    latest = permit.link
    self.permit = permit
    let known = early.filter { $0.value.link <= latest }.sorted { $0.key < $1.key }
    return known.flatMap { connection, introduction in
      early[connection] = nil
      return introduce(introduction, connection)
    }
  }

  private mutating func introduce(
    _ introduction: LinkIntroduction, _ connection: Int
  ) -> [Action] {
    if listening != nil, introduction.link > latest {
      early[connection] = introduction
      return []
    }
    guard let permit, permit.link == introduction.link, permit.secret == introduction.secret
    else {
      return [.close(connection: connection, reason: "it does not know the secret of a link")]
    }
    self.permit = nil
    strangers.removeAll { $0 == connection }
    let former = predecessor?.connection
    predecessor = (connection, introduction.link)
    let closing = former.map {
      [Action.close(connection: $0, reason: "another worker took its place")]
    }
    return (closing ?? []) + [.tell(.link(LinkReport(link: introduction.link)))]
  }

  /// A connection that another made is gone.
  package mutating func closed(connection: Int, reason: String?) -> [Action] {
    early[connection] = nil
    strangers.removeAll { $0 == connection }
    guard let link = predecessor?.link, predecessor?.connection == connection else { return [] }
    predecessor = nil
    return [.tell(.link(LinkReport(link: link, failure: reason ?? "it was closed")))]
  }
}
