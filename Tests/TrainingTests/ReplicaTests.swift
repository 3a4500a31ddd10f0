import Engine
import Primitives
import Testing
import Training
import Wire

/// A worker's copy of what the run has learnt, and whatever a coordinator may send it.
@Suite struct ReplicaTests {
  private static let partFloats = 64
  private let job: TrainingJob
  private let run: TinyRun
  private let layout: GradientLayout
  private let parts: [GradientPart]

  /// With a layer that travels as factors, and updates of three steps.
  init() throws {
    run = try TinyRun(units: 16) { $0.batchesPerUpdate = 3 }
    job = run.job
    layout = job.gradients
    parts = layout.parts(most: Self.partFloats)
    try #require(parts.contains { $0.isPerStep })
  }

  private func replica() throws -> Replica {
    try Replica(
      job.hyperparameters.optimizer, layout, Welcome(job, partFloats: Self.partFloats), threads: 1,
      kernels: .baseline)
  }

  private func state(seed: UInt64 = 1, updates: Int = 0) -> ModelState {
    var state = ModelState(job.architecture.parameters, optimizer: RMSprop())
    state.initialize(seed: seed)
    // Means of squares.
    state.slots[0].initialize(seed: seed + 100)
    for index in state.slots[0].buffer.indices {
      state.slots[0].floats[index] = state.slots[0].floats[index].magnitude
    }
    state.updates = updates
    return state
  }

  /// What a coordinator sends of a state.
  private func sent(
    _ state: ModelState, _ version: WeightsVersion, buffers: Int = 2
  ) -> (header: WeightsHeader, parts: [Part]) {
    let tiles = layout.parameters.tiles(most: Self.partFloats)
    let sent = ([state.weights] + state.slots).prefix(buffers)
    let parts = sent.enumerated().flatMap { number, buffer in
      tiles.enumerated().map { index, tile in
        Part(
          .state(buffer: number), version: version, index: index,
          floats: UnsafeBufferPointer(rebasing: buffer.buffer[tile]), bytesPerSecond: nil)
      }
    }
    let header = WeightsHeader(
      version: version, digest: state.digest, makesUpdates: buffers == 2)
    return (header, parts)
  }

  private func take(_ replica: inout Replica, _ parts: [Part]) throws {
    for part in parts { try replica.take(part) }
  }

  /// A replica that holds a state.
  private func holding(
    _ state: ModelState, _ version: WeightsVersion, buffers: Int = 2
  ) throws -> Replica {
    var replica = try replica()
    let (header, parts) = sent(state, version, buffers: buffers)
    try replica.begin(header, nil)
    try take(&replica, parts)
    try #require(replica.held?.version == version)
    return replica
  }

  /// A part of ones, where it is enough that it has as many as it should.
  private func part(
    _ content: Part.Content, _ version: WeightsVersion, index: Int, count: Int? = nil
  ) -> Part {
    let count = count ?? parts[index].floats.count
    return [Float](repeating: 1, count: count).withUnsafeBufferPointer {
      Part(content, version: version, index: index, floats: $0, bytesPerSecond: nil)
    }
  }

  /// All parts of an update of `count` steps from the first on.
  private func update(_ version: WeightsVersion, firstStep: Int = 0, count: Int = 3) -> [Part] {
    parts.flatMap { place in
      place.isPerStep
        ? (firstStep..<firstStep + count).map {
          part(.gradient(step: $0), version, index: place.index)
        } : [part(.sum, version, index: place.index)]
    }
  }

  private static let old = WeightsVersion(update: 4)
  private static let new = WeightsVersion(update: 5)

  // MARK: States

  @Test func `A state is held once the last of its parts is there, in whatever order`() throws {
    for buffers in [1, 2] {
      let state = state(updates: 5)
      let (header, parts) = sent(state, Self.new, buffers: buffers)
      var replica = try replica()
      try replica.begin(header, nil)
      let order = CounterRandom(seed: 4, purpose: .benchmark).permutation(parts.count)
      for index in order {
        #expect(replica.held == nil)
        try replica.take(parts[index])
        // Once more is once too many, and does no harm.
        if index == 0, parts.count > 1 { try replica.take(parts[index]) }
      }
      #expect(replica.held?.version == Self.new)
      let digest = replica.held?.weights.digest
      #expect(digest == state.digest)
      let slots = state.slots.prefix(buffers - 1).map(\.digest)
      #expect(replica.state?.slots.map(\.digest) == slots)
      #expect(replica.state?.updates == 5)
    }
  }

  @Test func `A state that does not have its digest is none`() throws {
    var (header, parts) = sent(state(), Self.new)
    header.digest = .ofNothing
    var replica = try replica()
    try replica.begin(header, nil)
    try take(&replica, parts.dropLast())
    #expect(throws: WorkerError.self) { try replica.take(parts[parts.count - 1]) }
    #expect(replica.held == nil)
  }

  @Test func `A state's parts that another one replaced are left out`() throws {
    let (first, second) = (state(seed: 1), state(seed: 2))
    let (oldHeader, oldParts) = sent(first, Self.old)
    let (header, parts) = sent(second, Self.new)
    var replica = try replica()
    try replica.begin(oldHeader, nil)
    try take(&replica, Array(oldParts.prefix(3)))
    try replica.begin(header, nil)
    for (old, new) in zip(oldParts, parts) {
      try replica.take(old)
      #expect(replica.held == nil)
      try replica.take(new)
    }
    try take(&replica, oldParts)
    let digest = replica.held?.weights.digest
    #expect(replica.held?.version == Self.new && digest == second.digest)
    #expect(replica.state?.slots[0].digest == second.slots[0].digest)
    // A state that nobody announced.
    replica.forget()
    try take(&replica, parts)
    #expect(replica.held == nil)
  }

  @Test func `Inside one process the weights are the coordinator's own`() throws {
    let state = state()
    var replica = try replica()
    try replica.begin(WeightsHeader(version: Self.new, digest: .ofNothing), state.weights)
    #expect(replica.held?.weights === state.weights)
    replica.forget()
    #expect(replica.held == nil)
    let digest = replica.held?.weights.digest
    #expect(digest == nil)
  }

  // MARK: Updates

  @Test func `An update is made once it is certain and all of it is there`() throws {
    var (certainLast, certainFirst) = (
      try holding(state(), Self.old), try holding(state(), Self.old)
    )
    let before = certainLast.held?.weights.digest
    let header = UpdateHeader(version: Self.old, firstStep: 0, pictures: [4, 4, 1])
    try take(&certainLast, update(Self.old))
    #expect(certainLast.held?.version == Self.old)
    #expect(certainLast.held?.weights.digest == before)
    try certainLast.take(header)
    #expect(certainLast.held?.version == Self.new)
    try certainFirst.take(header)
    for part in update(Self.old).reversed() {
      #expect(certainFirst.held?.version == Self.old)
      try certainFirst.take(part)
    }
    #expect(certainFirst.held?.version == Self.new)
    let digests = (certainFirst.held?.weights.digest, certainLast.held?.weights.digest)
    #expect(digests.0 == digests.1 && digests.0 != before)
    #expect(certainFirst.state?.updates == 5)
  }

  @Test func `Updates that come before their state wait for it`() throws {
    var early = try replica()
    let (header, parts) = sent(state(), Self.old)
    try early.begin(header, nil)
    for (offset, version) in [Self.old, Self.new].enumerated() {
      try take(&early, update(version, firstStep: 3 * offset))
      try early.take(
        UpdateHeader(version: version, firstStep: 3 * offset, pictures: [4, 4, 4]))
    }
    #expect(early.held == nil)
    try take(&early, parts)
    #expect(early.held?.version == .init(update: 6))
    var late = try holding(state(), Self.old)
    for (offset, version) in [Self.old, Self.new].enumerated() {
      try take(&late, update(version, firstStep: 3 * offset))
      try late.take(UpdateHeader(version: version, firstStep: 3 * offset, pictures: [4, 4, 4]))
    }
    let digests = (early.held?.weights.digest, late.held?.weights.digest)
    #expect(digests.0 == digests.1)
  }

  @Test func `What belongs to weights of before is left out`() throws {
    var replica = try holding(state(), WeightsVersion(rollback: 1, update: 5))
    let before = replica.held?.weights.digest
    for version in [
      Self.old, Self.new, .init(update: 6), .init(rollback: 1, update: 4),
      .init(rollback: 2, update: 5),
    ] {
      try take(&replica, update(version))
      try replica.take(UpdateHeader(version: version, firstStep: 0, pictures: [4, 4, 4]))
      // However wrong it is.
      try replica.take(part(.sum, version, index: 9999, count: 3))
      try replica.take(UpdateHeader(version: version, firstStep: -1, pictures: []))
    }
    #expect(replica.held?.version == .init(rollback: 1, update: 5))
    let after = replica.held?.weights.digest
    #expect(after == before)
  }

  @Test func `A rollback's state makes what came of the update before it void`() throws {
    var replica = try holding(state(), Self.old)
    try take(&replica, Array(update(Self.old).dropLast()))
    let version = WeightsVersion(rollback: 1, update: 4)
    let (header, parts) = sent(state(), version)
    try replica.begin(header, nil)
    try take(&replica, parts)
    try replica.take(UpdateHeader(version: version, firstStep: 0, pictures: [4, 4, 4]))
    #expect(replica.held?.version == version)
    try take(&replica, update(version))
    #expect(replica.held?.version == .init(rollback: 1, update: 5))
  }

  @Test func `An update of fewer steps needs no more`() throws {
    var replica = try holding(state(), Self.old)
    try take(&replica, update(Self.old, firstStep: 9, count: 1))
    try replica.take(UpdateHeader(version: Self.old, firstStep: 9, pictures: [2]))
    #expect(replica.held?.version == Self.new)
  }

  @Test func `A machine that makes errors comes to other weights`() throws {
    var (good, bad) = (try holding(state(), Self.old), try holding(state(), Self.old))
    bad.damage = { $0.floats[0] += 1 }
    for step in 0..<2 {
      let header = UpdateHeader(
        version: .init(update: 4 + step), firstStep: 3 * step, pictures: [4, 4, 4])
      for part in update(header.version, firstStep: 3 * step) {
        try good.take(part)
        try bad.take(part)
      }
      try good.take(header)
      try bad.take(header)
    }
    let digests = (good.held?.weights.digest, bad.held?.weights.digest)
    #expect(digests.0 != digests.1)
    #expect(good.held?.version == bad.held?.version)
  }

  // MARK: Nonsense

  private func expectError(
    _ what: String, _ replica: Replica, at place: SourceLocation = #_sourceLocation,
    _ body: (inout Replica) throws -> Void
  ) {
    var replica = replica
    do {
      try body(&replica)
      Issue.record("\(what) is taken", sourceLocation: place)
    } catch {
      #expect(error is WorkerError || error is WireError, "\(error)", sourceLocation: place)
    }
  }

  @Test func `Parts that cannot be are errors`() throws {
    let replica = try holding(state(), Self.old)
    let factor = try #require(parts.first { $0.isPerStep }).index
    let whole = try #require(parts.first { !$0.isPerStep }).index
    let count = parts.count
    expectError("a part that there is not", replica) {
      try $0.take(part(.sum, Self.old, index: count, count: 64))
    }
    expectError("a part that there is not", replica) {
      try $0.take(part(.gradient(step: 0), Self.old, index: .max >> 32, count: 64))
    }
    expectError("a factor as a sum", replica) {
      try $0.take(part(.sum, Self.old, index: factor))
    }
    expectError("a step's part that is no factor", replica) {
      try $0.take(part(.gradient(step: 0), Self.old, index: whole))
    }
    expectError("a part that is too short", replica) {
      try $0.take(part(.sum, Self.old, index: whole, count: parts[whole].floats.count - 1))
    }
    expectError("a part that is too long", replica) {
      try $0.take(part(.gradient(step: 0), Self.old, index: factor, count: 1 << 14))
    }
    expectError("more steps than an update has", replica) { replica in
      for step in 0..<4 {
        try replica.take(part(.gradient(step: step), Self.old, index: factor))
      }
    }
  }

  @Test func `States that cannot be are errors`() throws {
    let (header, parts) = sent(state(), Self.new)
    for (number, index) in [(2, 0), (4_000_000_000, 0), (0, 9999), (1, 4_000_000_000)] {
      expectError("part \(index) of buffer \(number)", try replica()) {
        try $0.begin(header, nil)
        try $0.take(part(.state(buffer: number), Self.new, index: index, count: 64))
      }
    }
    expectError("the slots of a state without them", try replica()) {
      var alone = header
      alone.makesUpdates = false
      try $0.begin(alone, nil)
      try $0.take(parts[parts.count - 1])
    }
    expectError("a part that is too short", try replica()) {
      try $0.begin(header, nil)
      try $0.take(part(.state(buffer: 0), Self.new, index: 0, count: 1))
    }
  }

  @Test func `Updates that cannot be are errors`() throws {
    let replica = try holding(state(), Self.old)
    for pictures in [[], [4, 4, 4, 4], [0], [5], [4, -1], [4, .min], [.max]] {
      expectError("an update of \(pictures) pictures", replica) {
        try $0.take(UpdateHeader(version: Self.old, firstStep: 0, pictures: pictures))
      }
    }
    for first in [-1, Int.min, .max, .max - 1] {
      expectError("an update from step \(first) on", replica) { replica in
        for part in update(Self.old) { try replica.take(part) }
        try replica.take(UpdateHeader(version: Self.old, firstStep: first, pictures: [4, 4, 4]))
      }
    }
  }

  /// A coordinator that sends whole weights makes its updates itself.
  @Test func `An update of weights without slots is an error`() throws {
    expectError("an update", try holding(state(), Self.old, buffers: 1)) { replica in
      try replica.take(UpdateHeader(version: Self.old, firstStep: 0, pictures: [4, 4, 4]))
      for part in update(Self.old) { try replica.take(part) }
    }
  }

  @Test func `No more updates wait than memory is meant for`() throws {
    let whole = try #require(parts.first { !$0.isPerStep }).index
    var replica = try replica()
    try replica.begin(sent(state(), Self.old).header, nil)
    var taken = 0
    #expect(throws: WorkerError.self) {
      for update in 4..<6000 {
        try replica.take(part(.sum, .init(update: update), index: whole))
        taken += 1
      }
    }
    #expect((1...4096).contains(taken))
    // Far ahead is as good as near.
    expectError("too many headers", try self.replica()) { replica in
      try replica.begin(sent(state(), Self.old).header, nil)
      for update in 4..<6000 {
        try replica.take(
          UpdateHeader(version: .init(update: update), firstStep: 0, pictures: [4]))
      }
    }
  }
}

extension Welcome {
  /// What a worker is told of a job, as far as its replica needs it.
  init(_ job: TrainingJob, partFloats: Int) {
    self.init(
      worker: 1, model: "", floats: job.architecture.parameters.bufferCount,
      partFloats: partFloats, optimizer: job.hyperparameters.optimizer,
      batchSize: job.hyperparameters.batchSize, batchesPerUpdate: job.schedule.batchesPerUpdate,
      pictures: "", augmentation: "", seed: 1, manifest: "")
  }
}
