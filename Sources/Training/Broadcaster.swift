// What workers are sent of the weights, and of what makes them new.

import Coordination
import Engine
import Primitives
import Wire

/// Sends the run's state to workers that join, and to those that follow either the weights after
/// each update, or what they make the update themselves with.
///
/// It decides nothing: whoever drives it says what came and what is certain.
package struct Broadcaster {
  /// How followers come to new weights.
  private enum Form {
    /// By reference: they are in the same process.
    case local
    case whole
    case update
  }

  private let form: Form
  private let links: any WorkerLinks
  private let layout: GradientLayout
  /// How a gradient is cut.
  package let parts: [GradientPart]
  /// How a state's buffer is cut.
  private let tiles: [Range<Int>]
  private let sums: ParameterBuffer?
  /// Nil while nothing of an update has come, or nobody makes it itself.
  private var update: OutgoingUpdate?
  /// The present state as it travels, for all that join before it changes.
  private var snapshot: (header: WeightsHeader, parts: [Part])?
  private var digest: (version: WeightsVersion, digest: Digest)?
  /// The last update that was certain, as it was sent, for those who missed some of it.
  private var last: (version: WeightsVersion, sent: [Part])?
  private let chain: ChainForm
  /// Where workers listen for each other.
  private var listeners: [PeerID: (host: String, listening: Listening)] = [:]

  package init(_ job: TrainingJob, _ options: CoordinatorHost.Options, _ links: any WorkerLinks) {
    self.links = links
    chain = options.chain
    layout = job.gradients
    parts = layout.parts(most: options.partFloats)
    tiles = layout.parameters.tiles(most: options.partFloats)
    form =
      switch options.bodies {
      case .local: .local
      case .encoded: Self.makesUpdates(options.weights, job, parts) ? .update : .whole
      }
    sums = form == .update ? ParameterBuffer(layout.buffer) : nil
  }

  /// Whether workers make the updates: where nobody said so, they do if that takes fewer bytes.
  private static func makesUpdates(
    _ form: WeightsForm, _ job: TrainingJob, _ parts: [GradientPart]
  ) -> Bool {
    switch form {
    case .whole: return false
    case .update: return true
    case .auto:
      let floats = parts.reduce(0) { sum, part in
        sum + part.floats.count * (part.isPerStep ? job.schedule.batchesPerUpdate : 1)
      }
      return floats <= job.architecture.parameters.parameterCount
    }
  }

  // MARK: The state

  /// Sends a worker all that the run has learnt, and what has come of the update under way.
  package mutating func join(_ peer: PeerID, _ state: ModelState, _ version: WeightsVersion) {
    send(state, version, to: [peer])
    guard let update, update.version == version else { return }
    for part in update.sent { links.send(.part(part), to: [peer]) }
  }

  /// An update is in the weights, which are of `version` now.
  package mutating func updated(
    _ state: ModelState, _ version: WeightsVersion, followers: [PeerID]
  ) {
    snapshot = nil
    if form != .update { send(state, version, to: followers) }
  }

  /// The digest of the present weights; nil where nothing travels that could be damaged.
  package mutating func digest(_ state: ModelState, _ version: WeightsVersion) -> Digest? {
    guard form != .local else { return nil }
    if let digest, digest.version == version { return digest.digest }
    let present = state.digest
    digest = (version, present)
    return present
  }

  private mutating func send(
    _ state: ModelState, _ version: WeightsVersion, to peers: [PeerID]
  ) {
    guard !peers.isEmpty else { return }
    guard let digest = digest(state, version) else {
      let header = WeightsHeader(version: version, digest: .ofNothing)
      return links.send(.weights(header, state.weights), to: peers)
    }
    if snapshot?.header.version != version {
      let buffers = [state.weights] + (form == .update ? state.slots : [])
      let header = WeightsHeader(
        version: version, digest: digest, makesUpdates: form == .update)
      snapshot = (header, buffers.enumerated().flatMap { parts(of: $1, $0, version) })
    }
    guard let snapshot else { return }
    links.send(.weights(snapshot.header, nil), to: peers)
    for part in snapshot.parts { links.send(.part(part), to: peers) }
  }

  private func parts(
    of buffer: ParameterBuffer, _ number: Int, _ version: WeightsVersion
  ) -> [Part] {
    tiles.enumerated().map { index, floats in
      Part(
        .state(buffer: number), version: version, index: index,
        floats: UnsafeBufferPointer(rebasing: buffer.buffer[floats]),
        bytesPerSecond: links.bytesPerSecond)
    }
  }

  // MARK: The update under way

  /// Sends what follows from a part of a gradient, which belongs to the update of `steps`.
  /// - Parameters:
  ///   - step: the one that it belongs to; where it is a sum over a unit, the first.
  ///   - peer: whose gradient it is; nil where it needs its factors although it keeps them, since
  ///     it hands them on.
  package mutating func take(
    _ index: Int, of step: Int, _ incoming: IncomingGradient, from peer: PeerID?,
    steps: Range<Int>, using updater: Updater, followers: [PeerID]
  ) {
    guard form == .update, let sums else { return }
    if update?.version != incoming.version {
      update = OutgoingUpdate(steps, version: incoming.version, parts: parts, sums: sums)
    }
    let part = update?.take(
      index, of: step, incoming, using: updater, bytesPerSecond: links.bytesPerSecond)
    guard let part = part ?? nil else { return }
    links.send(
      .part(part), to: parts[index].isPerStep ? followers.filter { $0 != peer } : followers)
  }

  /// Whether workers were sent other numbers of this unit.
  package func contradicts(_ incoming: IncomingGradient) -> Bool {
    guard let update, update.version == incoming.version else { return false }
    return update.contradicts(incoming)
  }

  /// All of the update has come: it is certain.
  /// - Parameter rate: the learning rate.
  package mutating func complete(
    firstStep: Int, pictures: [Int], rate: Float, followers: [PeerID]
  ) {
    guard form == .update, let version = update?.version else { return }
    last = (version, update?.sent ?? [])
    update = nil
    let header = UpdateHeader(
      version: version, firstStep: firstStep, pictures: pictures, rate: rate)
    links.send(.update(header), to: followers)
  }

  /// The run rolls back: what was sent of the update under way counts no more.
  package mutating func forget() { (update, last, snapshot, digest) = (nil, nil, nil, nil) }

  // MARK: The chain

  /// A worker listens for others.
  /// - Returns: whether one may hand parts of updates on to it.
  package mutating func listens(_ peer: PeerID, _ listening: Listening) -> Bool {
    guard form == .update, chain != .never, let place = links.place(of: peer),
      chain == .always || !place.isThisMachine
    else { return false }
    listeners[peer] = (place.host, listening)
    return true
  }

  /// A peer is gone.
  package mutating func leaves(_ peer: PeerID) { listeners[peer] = nil }

  /// Has a worker hand parts of updates on to another one, or to nobody.
  package func handOn(from peer: PeerID, to next: PeerID?, link: Int) {
    guard let next, let listener = listeners[next] else {
      return links.send(.successor(nil), to: [peer])
    }
    let secret = Secret.random()
    links.send(.predecessor(LinkPermit(link: link, secret: secret)), to: [next])
    let successor = Successor(
      link: link, host: listener.host, listening: listener.listening, secret: secret)
    links.send(.successor(successor), to: [peer])
  }

  /// Sends a worker the parts of the update of `version`, and of those that follow, again.
  package func resend(to peer: PeerID, since version: WeightsVersion) {
    let missed = [last, update.map { ($0.version, $0.sent) }].compactMap { $0 }
      .filter { $0.version >= version }
    for part in missed.flatMap(\.sent) { links.send(.part(part), to: [peer]) }
  }
}
