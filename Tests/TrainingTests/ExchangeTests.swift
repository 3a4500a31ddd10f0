import Coordination
import Engine
import Primitives
import Testing
import Training
import Wire

/// What a coordinator sends of updates and states, and what replicas make of it, with no socket
/// between them.
@Suite struct ExchangeTests {
  /// What a coordinator does for its weights, in an order that a seed decides, and replicas whose
  /// messages arrive when they will.
  private final class Exchange {
    /// Messages on their way to each peer: of the most urgent the oldest arrives next.
    private final class Outbox: WorkerLinks, @unchecked Sendable {
      var waiting: [PeerID: [CoordinatorMessage]] = [:]

      func send(_ message: CoordinatorMessage, to peers: [PeerID]) {
        for peer in peers { waiting[peer, default: []].append(message) }
      }

      func next(for peer: PeerID) -> CoordinatorMessage? {
        guard let all = waiting[peer],
          let index = all.indices.min(by: { all[$0].priority < all[$1].priority })
        else { return nil }
        return waiting[peer]?.remove(at: index)
      }

      func close(_ peer: PeerID) {}
      var bytesReceived: Int { 0 }
      var bytesSent: Int { 0 }
      var bytesPerSecond: Double? { nil }
      func place(of peer: PeerID) -> PeerPlace? { nil }
    }

    /// A worker that sends a step's gradient.
    struct Sender {
      var incoming: IncomingGradient
      var left: [Part]
      /// It is lost once it has only so many parts left.
      var lostAt: Int?
      /// Whose it is; it keeps what it computes.
      let peer: PeerID
      var step: Int { incoming.steps.lowerBound }
    }

    static let partFloats = 64
    let job: TrainingJob
    let layout: GradientLayout
    let parts: [GradientPart]
    private(set) var learner: Learner
    private(set) var broadcaster: Broadcaster
    private(set) var version = WeightsVersion(update: 0)
    private(set) var replicas: [PeerID: Replica] = [:]
    /// The buffers of each state that was announced.
    private(set) var buffers: [Int] = []
    private let outbox = Outbox()
    private let draws: CounterRandom
    private var draw: UInt64 = 0

    init(_ run: TinyRun, _ form: WeightsForm, seed: UInt64 = 1) throws {
      job = run.job
      layout = job.gradients
      parts = layout.parts(most: Self.partFloats)
      learner = try Learner(job, from: nil, threads: 1, kernels: .baseline)
      var options = CoordinatorHost.Options(kernels: .baseline)
      options.weights = form
      options.partFloats = Self.partFloats
      broadcaster = Broadcaster(job, options, outbox)
      draws = CounterRandom(seed: seed, purpose: .benchmark, 9)
    }

    var followers: [PeerID] { replicas.keys.sorted() }

    func next(_ below: Int) -> Int {
      draw += 1
      return Int(draws.bits(draw) % UInt64(below))
    }

    // MARK: Replicas

    @discardableResult func join() throws -> PeerID {
      let peer = PeerID(raw: replicas.count)
      replicas[peer] = try Replica(
        job.hyperparameters.optimizer, layout, Welcome(job, partFloats: Self.partFloats),
        threads: 1, kernels: .baseline)
      broadcaster.join(peer, learner.state, version)
      return peer
    }

    /// Has a peer take the next message that is on its way to it.
    @discardableResult func deliver(_ peer: PeerID) throws -> Bool {
      guard let message = outbox.next(for: peer) else { return false }
      switch message {
      case .weights(let header, let local):
        buffers.append(header.makesUpdates ? 2 : 1)
        try replicas[peer]?.begin(header, local)
      case .part(let part): try replicas[peer]?.take(part)
      case .update(let header): try replicas[peer]?.take(header)
      default: Issue.record("\(message) is no message of a broadcaster")
      }
      return true
    }

    /// All that is on its way arrives; then everybody has what the coordinator has.
    func expectEqual(_ what: String, at place: SourceLocation = #_sourceLocation) throws {
      for peer in followers {
        while try deliver(peer) {}
        let name = Comment(rawValue: "\(what): \(peer)")
        #expect(replicas[peer]?.held?.version == version, name, sourceLocation: place)
        let digest = replicas[peer]?.held?.weights.digest
        #expect(digest == learner.digest, name, sourceLocation: place)
        guard let state = replicas[peer]?.state, !state.slots.isEmpty else { continue }
        #expect(state.updates == learner.state.updates, name, sourceLocation: place)
        #expect(
          state.slots.map(\.digest) == learner.state.slots.map(\.digest), name,
          sourceLocation: place)
      }
    }

    // MARK: Gradients

    /// A step's gradient, whose sum with others depends on the order.
    func gradient(_ step: Int) -> ParameterBuffer {
      let buffer = ParameterBuffer(layout.buffer)
      let draws = CounterRandom(seed: 5, purpose: .benchmark, UInt64(step))
      for tensor in layout.buffer.tensors {
        for index in buffer[tensor].indices {
          let draw = UInt64(tensor.offset + index)
          let scale: Float = draws.bits(draw) & 1 == 0 ? 1e3 : 1
          buffer[tensor][index] = draws.symmetricFloat(draw) * scale
        }
      }
      return buffer
    }

    func sender(
      _ step: Int, _ gradient: ParameterBuffer, lostAt: Int? = nil, peer: PeerID = nobody
    ) -> Sender {
      let order = CounterRandom(seed: UInt64(next(1 << 30)), purpose: .benchmark)
        .permutation(parts.count)
      let all = gradient.parts(layout, step: step, version: version, most: Self.partFloats)
      return Sender(
        incoming: IncomingGradient(
          first: step, version: version,
          gradients: [
            StepGradient(
              learner.gradientBuffer(), pictures: job.plan.pictures(of: .step(step)) ?? 0)
          ],
          parts: parts),
        left: order.map { all[$0] }, lostAt: lostAt, peer: peer)
    }

    /// Somebody who is no replica.
    static let nobody = PeerID(raw: 1 << 20)

    /// Who computes a step: somebody else, or a follower that holds the weights for it.
    private var computer: PeerID {
      let able = followers.filter { replicas[$0]?.held?.version == version }
      return able.isEmpty || next(2) == 0 ? Self.nobody : able[next(able.count)]
    }

    var steps: Range<Int> { job.schedule.steps(ofUpdate: version.update) }

    /// A part of a sender's gradient comes.
    func takePart(_ sender: inout Sender, isForwarded: Bool = true) throws {
      guard let part = sender.left.popLast() else { return }
      try sender.incoming.take(part, of: sender.step, parts)
      if isForwarded { forward(part.index, sender) }
    }

    private func forward(_ index: Int, _ sender: Sender) {
      broadcaster.take(
        index, of: sender.step, sender.incoming, from: sender.peer, steps: steps,
        using: learner.updater, followers: followers)
    }

    /// A gradient's totals come, and count.
    func takeTotals(_ sender: Sender) {
      let steps = steps
      for part in parts { forward(part.index, sender) }
      learner.take(
        sender.incoming.gradients, at: sender.step - steps.lowerBound, of: steps.count)
    }

    func contradicts(_ sender: Sender) -> Bool { broadcaster.contradicts(sender.incoming) }

    /// Another one each time: workers know it from the coordinator alone.
    static func rate(ofUpdate update: Int) -> Float { 1e-3 * Float(update + 1) }

    func complete() {
      let steps = steps
      let rate = Self.rate(ofUpdate: version.update)
      broadcaster.complete(
        firstStep: steps.lowerBound,
        pictures: steps.compactMap { job.plan.pictures(of: .step($0)) }, rate: rate,
        followers: followers)
      _ = learner.applyUpdate(rate: rate)
      version.update += 1
      broadcaster.updated(learner.state, version, followers: followers)
    }

    func rollBack() {
      learner.forgetGradients()
      broadcaster.forget()
      version.rollback += 1
      for peer in followers { broadcaster.join(peer, learner.state, version) }
    }

    /// One update, its parts in any order.
    ///
    /// One or two workers send each step, and one of two may be lost; what `between` does happens
    /// after each part.
    func update(_ between: () throws -> Void) throws {
      var senders: [Sender] = []
      for step in steps {
        let gradient = gradient(step)
        senders.append(sender(step, gradient, peer: computer))
        if next(2) == 0 {
          senders.append(sender(step, gradient, lostAt: next(2) == 0 ? next(parts.count) : nil))
        }
      }
      var done: Set<Int> = []
      while !senders.isEmpty {
        let index = next(senders.count)
        let step = senders[index].step
        if senders[index].lostAt == senders[index].left.count {
          senders.remove(at: index)
        } else if senders[index].left.isEmpty {
          let sender = senders.remove(at: index)
          try replicas[sender.peer]?.take(sender.incoming.gradients[0].buffer, step: step, version)
          guard done.insert(step).inserted else { continue }
          #expect(!contradicts(sender))
          takeTotals(sender)
        } else {
          // What is not needed any more goes nowhere.
          try takePart(&senders[index], isForwarded: !done.contains(step))
        }
        try between()
      }
      complete()
    }
  }

  private static let forms: [WeightsForm] = [.whole, .update]

  // MARK: Updates

  /// Some take what is sent at once, one only at the end; more join at any moment.
  @Test(arguments: 0..<12, forms)
  func `Whatever comes when, everybody has the coordinator's state after it`(
    seed: Int, form: WeightsForm
  ) throws {
    let run = try TinyRun(units: seed % 2 == 0 ? 16 : 8) {
      $0.epochs = 6
      $0.batchesPerUpdate = [1, 2, 3, 5][seed % 4]
    }
    let exchange = try Exchange(run, form, seed: UInt64(seed))
    #expect(exchange.parts.contains { $0.isPerStep } == (seed % 2 == 0))
    let lazy = try exchange.join()
    for update in 0..<6 {
      try exchange.update {
        if exchange.next(40) == 0, exchange.followers.count < 6 { try exchange.join() }
        for peer in exchange.followers where peer != lazy && exchange.next(3) > 0 {
          try exchange.deliver(peer)
        }
      }
      if update == 3 { try exchange.expectEqual("after update 4") }
    }
    try exchange.expectEqual("at the end")
    #expect(exchange.followers.count > 1)
    #expect(exchange.buffers.allSatisfy { $0 == (form == .update ? 2 : 1) })
    // With the weights of one process.
    var alone = try Learner(run.job, from: nil, threads: 1, kernels: .baseline)
    for update in 0..<6 {
      let steps = run.job.schedule.steps(ofUpdate: update)
      for step in steps {
        alone.take(
          [
            StepGradient(
              exchange.gradient(step), pictures: run.job.plan.pictures(of: .step(step)) ?? 0)
          ],
          at: step - steps.lowerBound, of: steps.count)
      }
      _ = alone.applyUpdate(rate: Exchange.rate(ofUpdate: update))
    }
    #expect(exchange.learner.digest == alone.digest)
  }

  @Test(arguments: [8, 16])
  func `A worker that joins in the middle of an update makes that update too`(units: Int) throws {
    let run = try TinyRun(units: units) { $0.batchesPerUpdate = 2 }
    // After each number of parts.
    let count = run.job.gradients.parts(most: Exchange.partFloats).count
    for joinsAfter in 0...2 * count {
      let exchange = try Exchange(run, .update)
      var parts = 0
      if joinsAfter == 0 { try exchange.join() }
      for step in exchange.steps {
        var sender = exchange.sender(step, exchange.gradient(step))
        while !sender.left.isEmpty {
          try exchange.takePart(&sender)
          parts += 1
          if parts == joinsAfter { try exchange.join() }
        }
        exchange.takeTotals(sender)
      }
      exchange.complete()
      try exchange.expectEqual("after \(joinsAfter) parts")
      // The state of before was sent, and no other.
      #expect(exchange.buffers == [2] && exchange.version.update == 1)
    }
  }

  @Test func `Whichever is shorter travels, where nobody asked for the other`() throws {
    for (perUpdate, units, buffers) in [(1, 16, 2), (2, 16, 2), (200, 16, 1), (1, 8, 2)] {
      let run = try TinyRun(units: units) { $0.batchesPerUpdate = perUpdate }
      let exchange = try Exchange(run, .auto)
      try exchange.join()
      try exchange.expectEqual("at once")
      #expect(exchange.buffers == [buffers], "\(perUpdate) steps, \(units) units")
    }
  }

  // MARK: Contradictions

  @Test(arguments: [8, 16])
  func `Other numbers than those that were sent are noticed, and leave no trace`(
    units: Int
  ) throws {
    let run = try TinyRun(units: units) { $0.batchesPerUpdate = 2 }
    for harmed in run.job.gradients.parts(most: Exchange.partFloats) {
      let exchange = try Exchange(run, .update, seed: UInt64(harmed.index))
      for _ in 0..<2 { try exchange.join() }
      let first = exchange.steps.lowerBound
      let wrong = exchange.gradient(first)
      wrong.floats[harmed.floats.lowerBound] += 1
      // It is lost with half of its parts sent.
      var lost = exchange.sender(first, wrong)
      let half = lost.left.count / 2
      while lost.left.count > half { try exchange.takePart(&lost) }
      let wasSent = lost.incoming.digests[0][harmed.index] != nil
      var other = exchange.sender(first, exchange.gradient(first))
      while !other.left.isEmpty { try exchange.takePart(&other) }
      // What nobody was sent contradicts nobody.
      #expect(exchange.contradicts(other) == wasSent, "part \(harmed.index)")
      if wasSent {
        // Some of it has arrived.
        for peer in exchange.followers { for _ in 0..<30 { try exchange.deliver(peer) } }
        exchange.rollBack()
        #expect(!exchange.contradicts(other))
        try exchange.update {}
      } else {
        exchange.takeTotals(other)
        for step in exchange.steps.dropFirst() {
          var sender = exchange.sender(step, exchange.gradient(step))
          while !sender.left.isEmpty { try exchange.takePart(&sender) }
          exchange.takeTotals(sender)
        }
        exchange.complete()
      }
      try exchange.expectEqual("part \(harmed.index)")
      let right = try Exchange(run, .update)
      try right.update {}
      #expect(exchange.learner.digest == right.learner.digest)
    }
  }

  @Test func `A gradient of other weights contradicts nothing`() throws {
    let run = try TinyRun(units: 16) { $0.batchesPerUpdate = 2 }
    let exchange = try Exchange(run, .update)
    let first = exchange.steps.lowerBound
    let wrong = exchange.gradient(first)
    wrong.floats[0] += 1
    var before = exchange.sender(first, wrong)
    while !before.left.isEmpty { try exchange.takePart(&before, isForwarded: false) }
    exchange.rollBack()
    var sender = exchange.sender(first, exchange.gradient(first))
    try exchange.takePart(&sender)
    #expect(!exchange.contradicts(before))
  }
}
