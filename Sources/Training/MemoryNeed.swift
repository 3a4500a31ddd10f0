// What a run will take, computed before it is taken: an allocation that fails ends a Swift program,
// and one that succeeds may end it later, when the kernel has no page to give.

import Engine

/// Memory that is about to be taken.
public struct MemoryNeed: Sendable {
  /// Bytes: at first those of threads, files being read and texts.
  public private(set) var bytes = 32 << 20

  /// Nothing but what every process takes.
  public init() {}

  /// Adds `count` buffers of a layout.
  public mutating func add(_ count: Int, _ layout: ParameterLayout) {
    add(count, ofBytes: layout.bufferCount * MemoryLayout<Float>.stride)
  }

  /// Adds an engine's buffers, from its own plan.
  public mutating func addEngine(
    _ architecture: Architecture, batch: Int, stepSize: Int? = nil, threads: Int
  ) {
    add(
      1,
      ofBytes: Engine.memory(
        architecture, batchCapacity: batch, stepSize: stepSize, threads: threads))
  }

  /// Adds `count` decoded pictures of a size.
  public mutating func addPictures(_ count: Int, of shape: Shape) {
    add(count, ofBytes: shape.count)
  }

  private mutating func add(_ count: Int, ofBytes size: Int) {
    let (product, isTooLarge) = count.multipliedReportingOverflow(by: size)
    let (sum, overflows) = bytes.addingReportingOverflow(product)
    bytes = isTooLarge || overflows ? .max : sum
  }

  /// Refuses what there is no memory for.
  /// - Parameters:
  ///   - what: what takes the memory, as the error's first words.
  ///   - advice: what to do.
  /// - Throws: `MemoryError`.
  public func check(
    _ what: String, advice: String = "free some memory", of available: AvailableMemory = .now()
  ) throws {
    guard bytes > available.bytes else { return }
    throw MemoryError(
      description: "\(what) takes \(Self.text(bytes)) of memory, but \(available.bound) leaves "
        + "\(Self.text(available.bytes)): \(advice)")
  }

  /// Bytes that one store of decoded pictures may keep beside: of what is left an eighth, since
  /// there are two stores and others may want some, and at most 1 GiB.
  /// - Parameter processes: how many processes with this need and two stores begin together.
  public func pictureCache(
    sharedBy processes: Int = 1, of available: AvailableMemory = .now()
  ) -> Int {
    let (needs, isTooLarge) = bytes.multipliedReportingOverflow(by: processes)
    return isTooLarge ? 0 : min(1 << 30, max(0, available.bytes - needs) / (8 * processes))
  }

  private static func text(_ bytes: Int) -> String {
    let megabytes = bytes / 1_000_000 + (bytes % 1_000_000 + 500_000) / 1_000_000
    guard megabytes >= 1000 else { return "\(megabytes) MB" }
    let tenths = (megabytes + 50) / 100
    return "\(tenths / 10).\(tenths % 10) GB"
  }
}

/// More memory is wanted than there is.
public struct MemoryError: Error, CustomStringConvertible {
  /// One line for the user.
  public let description: String
}

extension MemoryNeed {
  /// A worker's: the engine, the weights it is sent, gradients.
  ///
  /// - Parameter bodies: encoded ones are beside what they encode.
  static func worker(
    _ architecture: Architecture, batch: Int, threads: Int, bodies: BodyForm
  ) -> MemoryNeed {
    var need = MemoryNeed()
    need.addEngine(architecture, batch: batch, threads: threads)
    // The batch that is computed, and the next.
    need.addPictures(2 * batch, of: architecture.input)
    let gradient = GradientLayout(architecture.parameters, batch: batch).buffer
    switch bodies {
    case .encoded:
      need.add(2, architecture.parameters)
      // One is computed while the one before is sent, encoded.
      need.add(3, gradient)
    case .local: need.add(2, gradient)
    }
    return need
  }

  /// A coordinator's: weights and averages, copies of both for a checkpoint and the file made of
  /// them; of an update, the gradients or what they are summed to.
  static func coordinator(
    _ architecture: Architecture, _ hyperparameters: Hyperparameters, bodies: BodyForm
  ) -> MemoryNeed {
    let steps = hyperparameters.batchesPerUpdate
    let gradient = GradientLayout(
      architecture.parameters, batch: hyperparameters.batchSize
    ).buffer
    var need = MemoryNeed()
    // Four buffers, and a file of two that is there three times while it is put together.
    need.add(10, architecture.parameters)
    if case .encoded = bodies { need.add(1, architecture.parameters) }
    if steps > Updater.gradientsAtOnce {
      // Runs of gradients are summed as soon as they are there; workers finish them out of order.
      need.add(steps / Updater.gradientsAtOnce + 1, architecture.parameters)
    }
    need.add(steps + 1, gradient)
    return need
  }

  /// A run's whose coordinator and worker are one process.
  public static func oneProcess(
    _ architecture: Architecture, _ hyperparameters: Hyperparameters, threads: Int
  ) -> MemoryNeed {
    var need = coordinator(architecture, hyperparameters, bodies: .local)
    let worker = worker(
      architecture, batch: hyperparameters.batchSize, threads: threads, bodies: .local)
    need.add(1, ofBytes: worker.bytes)
    return need
  }

  /// A probe's, at a run's start: an engine for two pictures, their gradient, weights.
  static func probe(
    _ architecture: Architecture, _ hyperparameters: Hyperparameters, threads: Int
  ) -> MemoryNeed {
    var need = MemoryNeed()
    need.addEngine(
      architecture, batch: min(2, hyperparameters.batchSize), stepSize: hyperparameters.batchSize,
      threads: threads)
    // Drawn at up to four times the size, and as they are decoded.
    need.addPictures(20, of: architecture.input)
    need.add(1, architecture.parameters)
    need.add(1, GradientLayout(architecture.parameters, batch: hyperparameters.batchSize).buffer)
    return need
  }

  /// A coordinator's and that of the workers that it launches on the same machine.
  /// - Parameters:
  ///   - threads: the coordinator's.
  ///   - workerThreads: of each worker.
  public static func networkRun(
    _ architecture: Architecture, _ hyperparameters: Hyperparameters, threads: Int,
    localWorkers: Int, workerThreads: Int
  ) -> MemoryNeed {
    // The probe's engine is gone when training begins.
    let probe = probe(architecture, hyperparameters, threads: threads)
    var need = coordinator(architecture, hyperparameters, bodies: .encoded)
    need.bytes = max(need.bytes, probe.bytes)
    let worker = worker(
      architecture, batch: hyperparameters.batchSize, threads: workerThreads, bodies: .encoded)
    need.add(localWorkers, ofBytes: worker.bytes)
    return need
  }

  /// A step alone: the engine, its pictures, weights, averages and one gradient.
  public static func benchmark(
    _ architecture: Architecture, batch: Int, threads: Int
  ) -> MemoryNeed {
    var need = MemoryNeed()
    need.addEngine(architecture, batch: batch, threads: threads)
    need.addPictures(batch, of: architecture.input)
    need.add(2, architecture.parameters)
    need.add(1, GradientLayout(architecture.parameters, batch: batch).buffer)
    return need
  }

  /// Predictions or an evaluation: the engine, the pictures that it computes and the next.
  public static func inference(
    _ architecture: Architecture, batch: Int, threads: Int
  ) -> MemoryNeed {
    var need = MemoryNeed()
    need.addEngine(architecture, batch: batch, threads: threads)
    need.addPictures(2 * batch, of: architecture.input)
    return need
  }
}
