import Coordination
import Engine
import Primitives
import Runs
import Testing
import Training
import Wire

/// What the coordinator's host does by itself, between the rules' decisions.
@Suite struct CoordinatorHostTests {
  /// Decoding takes time and memory: nobody may cause it who was not asked.
  @Test(arguments: [true, false])
  func `A gradient that nobody asked for is not decoded`(saysReady: Bool) throws {
    let run = try TinyRun()
    let mailbox = Mailbox<CoordinatorInput>()
    let host = try CoordinatorHost(
      run.job, options: .init(kernels: .baseline), store: run.makeFolder("run"), mailbox: mailbox,
      links: InMemoryLinks(coordinator: mailbox), report: { _ in })
    host.begin()
    let peer = PeerID(raw: 7)
    let hello = Hello(
      version: dogsledVersion, name: "w", process: 1, threads: 1, kernels: "baseline")
    host.step(.opened(peer, address: "host:7"))
    host.step(.message(peer, .hello(hello)))
    if saysReady {
      host.step(.message(peer, .ready(.init(pictures: .ofNothing, gradient: hello.digest))))
    }
    let gradient = ParameterBuffer(run.job.gradients.buffer)
    let parts = gradient.parts(run.job.gradients, step: 3, version: .init(update: 9))
    for step in 0..<100 {
      for part in parts { host.step(.message(peer, .part(part))) }
      let header = GradientHeader(
        step: step, weightsVersion: .init(update: 9),
        totals: [.init(loss: 1, correct: 1, count: 4)], digest: gradient.digest)
      host.step(.message(peer, .gradient(header, nil)))
    }
    #expect(host.gradientBuffers == 0)
  }

  // MARK: Numbers on their way

  /// A coordinator that is told by hand what its workers say, and what it sent.
  private final class Table {
    final class Outbox: WorkerLinks, @unchecked Sendable {
      var sent: [CoordinatorMessage] = []
      func send(_ message: CoordinatorMessage, to peers: [PeerID]) {
        if !peers.isEmpty { sent.append(message) }
      }
      func close(_ peer: PeerID) {}
      var bytesReceived: Int { 0 }
      var bytesSent: Int { 0 }
      var bytesPerSecond: Double? { nil }
      func place(of peer: PeerID) -> PeerPlace? { nil }
    }

    let outbox = Outbox()
    let host: CoordinatorHost
    let layout: GradientLayout
    private let job: TrainingJob
    private(set) var notes: [CoordinatorNote] = []

    init(_ run: TinyRun, verify: Double = 0) throws {
      var options = CoordinatorHost.Options(kernels: .baseline)
      (options.weights, options.verify) = (.update, verify)
      (options.minimumWorkers, options.partFloats) = (2, 64)
      job = run.job
      layout = run.job.gradients
      var report: (TrainingReport) -> Void = { _ in }
      host = try CoordinatorHost(
        run.job, options: options, store: run.makeFolder("run"), mailbox: Mailbox(),
        links: outbox, clock: { .zero }, report: { report($0) })
      report = { [unowned self] in if case .note(let note) = $0 { notes.append(note) } }
      host.begin()
      for number in 0..<2 {
        let peer = PeerID(raw: number)
        host.step(.opened(peer, address: "host:\(number)"))
        say(
          number,
          .hello(
            Hello(
              version: dogsledVersion, name: "w", process: UInt64(number), threads: 1,
              kernels: "baseline")))
        say(number, .ready(.none))
      }
      for number in 0..<2 { hold(number) }
    }

    /// A worker holds the present weights.
    func hold(_ peer: Int, rollback: Int = 0) {
      let version = WeightsVersion(rollback: rollback, update: 0)
      say(peer, .holds(HeldWeights(version: version, digest: host.digest)))
    }

    func say(_ peer: Int, _ message: WorkerMessage) {
      host.step(.message(PeerID(raw: peer), message))
    }

    /// A step's gradient; one step differs from another.
    func gradient(_ step: Int) -> ParameterBuffer {
      let gradient = ParameterBuffer(layout.buffer)
      for tensor in layout.buffer.tensors {
        for index in gradient[tensor].indices {
          gradient[tensor][index] = Float(index % 17 + step) / 100
        }
      }
      return gradient
    }

    func parts(_ gradient: ParameterBuffer, _ step: Int, rollback: Int = 0) -> [Part] {
      gradient.parts(
        layout, step: step, version: .init(rollback: rollback, update: 0), most: 64)
    }

    /// A worker's whole answer, or what comes after its parts.
    func answer(_ peer: Int, _ step: Int, rollback: Int = 0, sendsParts: Bool = true) {
      let parts = parts(gradient(step), step, rollback: rollback)
      if sendsParts { for part in parts { say(peer, .part(part)) } }
      let count = job.plan.pictures(of: .step(step)) ?? 0
      say(
        peer,
        .gradient(
          GradientHeader(
            step: step, weightsVersion: .init(rollback: rollback, update: 0),
            totals: [.init(loss: 1, correct: 1, count: count)],
            digest: Digest(of: parts.map(\.digest))),
          nil))
    }

    /// Parts of an update that were sent since the last call.
    func updateParts() -> [Part] {
      defer { outbox.sent = [] }
      return outbox.sent.compactMap { message in
        guard case .part(let part) = message else { return nil }
        if case .state = part.content { return nil }
        return part
      }
    }

    /// The weights after the update of the first two steps.
    func expected() throws -> Digest {
      var learner = try Learner(job, from: nil, threads: 1, kernels: .baseline)
      for step in 0..<2 {
        learner.take(
          [StepGradient(gradient(step), pictures: job.plan.pictures(of: .step(step)) ?? 0)],
          at: step, of: 2)
      }
      _ = learner.applyUpdate()
      return learner.digest
    }
  }

  @Test func `What workers need of a gradient goes on as it comes, but for what is verified`()
    throws
  {
    for verify in [0.0, 1] {
      let run = try TinyRun(units: 16) { $0.batchesPerUpdate = 2 }
      let table = try Table(run, verify: verify)
      let places = table.layout.parts(most: 64)
      let factors = places.count { $0.isPerStep }
      _ = table.updateParts()
      var sent: [Int] = []
      for part in table.parts(table.gradient(0), 0) {
        table.say(0, .part(part))
        sent += table.updateParts().map(\.index)
      }
      let own = places.filter(\.isPerStep).map(\.index)
      #expect(sent == (verify == 0 ? own : []))
      if verify == 1 {
        table.answer(0, 0, sendsParts: false)
        #expect(table.updateParts().isEmpty)
        // A second worker agrees: now they go.
        table.answer(1, 0)
        #expect(table.updateParts().map(\.index) == own)
        continue
      }
      table.answer(1, 1)
      let rest = table.updateParts()
      #expect(rest.count { $0.content == .sum } == places.count - factors)
      #expect(rest.count { $0.content == .gradient(step: 1) } == factors)
      // Not certain before the first step's totals are there.
      #expect(table.host.digest != (try table.expected()))
    }
  }

  /// Half of a gradient came, was sent on, and its worker is lost.
  @Test(arguments: [8, 16], [true, false])
  func `A gradient that is another than its first half has the update begun anew`(
    units: Int, isWrong: Bool
  ) throws {
    let run = try TinyRun(units: units) { $0.batchesPerUpdate = 2 }
    let table = try Table(run)
    let half = table.gradient(0)
    if isWrong { half.floats[0] += 1 }
    let parts = table.parts(half, 0)
    for part in parts.prefix(parts.count / 2) { table.say(0, .part(part)) }
    table.host.step(.closed(PeerID(raw: 0), reason: "gone"))
    _ = table.updateParts()
    table.answer(1, 0)
    let isSaid = table.notes.contains {
      guard case .failure(worker: 2, let reason) = $0 else { return false }
      return reason.contains("than what a worker that was lost had sent of it")
    }
    #expect(isSaid == isWrong, "\(table.notes)")
    #expect(table.notes.contains(.rolledBack(updates: 0)) == isWrong)
    let anew = table.outbox.sent.contains {
      if case .weights(let header, nil) = $0 { header.version.rollback == 1 } else { false }
    }
    #expect(anew == isWrong)
    if isWrong {
      table.hold(1, rollback: 1)
      // Alone it has to agree with itself.
      for step in [0, 1, 0] { table.answer(1, step, rollback: 1) }
    } else {
      table.answer(1, 1)
    }
    #expect(table.host.digest == (try table.expected()))
  }
}

extension Hello {
  /// Something that no probe has as its answer.
  fileprivate var digest: Digest { withUnsafeBytes(of: process) { Digest(of: $0) } }
}
