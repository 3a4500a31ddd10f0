import Engine
import Primitives
import Wire

/// A worker's copy of what the run has learnt: it takes what the coordinator sends, and makes the
/// updates that follow.
///
/// Not thread-safe; whoever computes with the weights does so between two calls.
package struct Replica {
  /// A state that is being received.
  private struct Arriving {
    let header: WeightsHeader
    var missing: Set<Tile>
  }

  private struct Tile: Hashable {
    let buffer: Int
    let index: Int
  }

  /// Updates that may wait for the state that they are for.
  private static let updatesMost = 4096

  /// The weights, once all of them are there.
  package private(set) var held: (version: WeightsVersion, weights: ParameterBuffer)?

  /// Returns once nobody reads the weights any more that are about to change.
  var willChange: () -> Void = {}
  /// What a machine that makes errors does to the weights of an update that it has made.
  package var damage: ((ParameterBuffer) -> Void)?

  /// What stands for its updates where a run is replayed.
  var replayed: ReplayedUpdates?

  private let optimizer: any Optimizer
  private let stepsMost: Int
  private let parts: [GradientPart]
  private let tiles: [Range<Int>]
  private let updater: Updater
  private let layout: GradientLayout
  private var memory: BufferPool
  /// Made when it is needed first, with slots where updates are to be made.
  package private(set) var state: ModelState?
  private var arriving: Arriving?
  private var makesUpdates = false
  private var updates: [WeightsVersion: IncomingUpdate] = [:]

  /// Nothing has come.
  ///
  /// - Parameters:
  ///   - optimizer: makes the updates.
  ///   - layout: of the steps' gradients.
  ///   - welcome: says how updates and parts are cut.
  ///   - threads: of an update.
  /// - Throws: where the threads cannot be had.
  package init(
    _ optimizer: any Optimizer, _ layout: GradientLayout, _ welcome: Welcome, threads: Int,
    kernels: KernelSet
  ) throws(ThreadError) {
    self.optimizer = optimizer
    self.layout = layout
    stepsMost = welcome.batchesPerUpdate
    parts = layout.parts(most: welcome.partFloats)
    tiles = layout.parameters.tiles(most: welcome.partFloats)
    updater = try Updater(layout, steps: stepsMost, threads: threads, kernels: kernels)
    memory = BufferPool(layout.buffer)
  }

  /// What was held counts no more.
  package mutating func forget() {
    (held, arriving, updates, makesUpdates) = (nil, nil, [:], false)
  }

  // MARK: What comes

  /// A state is announced; it replaces what was held.
  /// - Parameter local: the weights themselves, inside one process.
  package mutating func begin(
    _ header: WeightsHeader, _ local: ParameterBuffer?
  ) throws(WorkerError) {
    forget()
    if let local {
      held = (header.version, local)
      return
    }
    willChange()
    makesUpdates = header.makesUpdates
    let slots = header.makesUpdates ? optimizer.slots : []
    if state?.kinds != slots {
      state = nil
      state = ModelState(weights: ParameterBuffer(layout.parameters), slots: slots)
    }
    state?.updates = header.version.update
    let all = (0...slots.count).flatMap { buffer in
      tiles.indices.map { Tile(buffer: buffer, index: $0) }
    }
    arriving = Arriving(header: header, missing: Set(all))
  }

  /// A part of the state or of an update; of what was replaced since it is left out.
  /// - Throws: where it cannot be, or is damaged.
  package mutating func take(_ part: Part) throws {
    switch part.content {
    case .state(let number):
      guard arriving?.header.version == part.version else { return }
      let tile = Tile(buffer: number, index: part.index)
      guard let state, number <= state.slots.count, tiles.indices.contains(part.index) else {
        throw WorkerError("the coordinator sent a part of a state that cannot be")
      }
      guard arriving?.missing.remove(tile) != nil else { return }
      let buffer = number == 0 ? state.weights : state.slots[number - 1]
      try part.decode(into: UnsafeMutableBufferPointer(rebasing: buffer.buffer[tiles[part.index]]))
      try finishState()
    case .gradient, .sum:
      guard isDue(part.version) else { return }
      guard makesUpdates else {
        throw WorkerError("the coordinator sent an update of weights without their slots")
      }
      var update = try update(of: part.version)
      try update.take(part, parts, memory: &memory)
      updates[part.version] = update
    }
    advance()
  }

  /// A step's gradient was computed here, and is on its way to the coordinator.
  package mutating func take(
    _ gradient: ParameterBuffer, step: Int, _ version: WeightsVersion
  ) throws(WorkerError) {
    guard makesUpdates, isDue(version) else { return }
    var update = try update(of: version)
    update.take(gradient, step: step, parts)
    updates[version] = update
    advance()
  }

  /// An update is certain.
  package mutating func take(_ header: UpdateHeader) throws {
    guard isDue(header.version) else { return }
    guard makesUpdates, (1...stepsMost).contains(header.pictures.count),
      header.pictures.allSatisfy((1...layout.batch).contains),
      (0...Int(UInt32.max)).contains(header.firstStep),
      header.rate.map({ Float(bitPattern: $0) }).map({ $0 >= 0 && $0.isFinite }) ?? true
    else { throw WorkerError("the coordinator sent an update that cannot be") }
    var update = try update(of: header.version)
    update.header = header
    updates[header.version] = update
    advance()
  }

  private mutating func finishState() throws(WorkerError) {
    guard let header = arriving?.header, arriving?.missing.isEmpty == true, let state else {
      return
    }
    arriving = nil
    guard state.digest == header.digest else {
      throw WorkerError(
        "the weights of version \(header.version) do not have the digest that was announced")
    }
    held = (header.version, state.weights)
  }

  // MARK: Updates

  /// Whether an update of the weights of `version` is still to be made.
  private func isDue(_ version: WeightsVersion) -> Bool {
    guard let base = held?.version ?? arriving?.header.version else { return false }
    return version.rollback == base.rollback && version >= base
  }

  /// Takes an update out, so that it is not copied where it changes.
  private mutating func update(of version: WeightsVersion) throws(WorkerError) -> IncomingUpdate {
    if let update = updates.removeValue(forKey: version) { return update }
    guard updates.count < Self.updatesMost else {
      throw WorkerError("the coordinator sends updates faster than the weights they are for")
    }
    return IncomingUpdate(stepsMost: stepsMost)
  }

  /// Makes the updates that are certain and whole, one after the other.
  private mutating func advance() {
    while let version = held?.version, var state,
      let (steps, sums) = updates[version]?.whole(parts)
    {
      willChange()
      var optimizer = optimizer
      if let rate = updates[version]?.header?.rate {
        optimizer.learningRate = Float(bitPattern: rate)
      }
      if let replayed {
        replayed.make(&state)
      } else {
        updater.apply(optimizer, to: &state, steps: steps, wholes: sums)
      }
      damage?(state.weights)
      updates[version] = nil
      self.state = state
      held?.version.update += 1
    }
  }
}
