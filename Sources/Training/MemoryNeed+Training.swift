// What coordinators and workers take.

import Engine
import Runs

extension MemoryNeed {
  /// A worker's: the engine, its copy of what the run has learnt, gradients.
  ///
  /// - Parameters:
  ///   - optimizer: makes the updates.
  ///   - steps: of an update.
  ///   - augments: whether training pictures are changed.
  static func worker(
    _ architecture: Architecture, optimizer: any Optimizer, batch: Int, steps: Int, threads: Int,
    bodies: BodyForm, augments: Bool
  ) -> MemoryNeed {
    var need = MemoryNeed()
    need.addEngine(architecture, batch: batch, threads: threads)
    if let early = try? architecture.frozen(inUpdate: 0)?.architecture {
      need.addEngine(early, batch: batch, threads: threads)
      need.add(1, GradientLayout(early.parameters, batch: batch).buffer)
    }
    // The batch that is computed, and the next.
    need.addPictures(2 * batch, of: architecture.input)
    if augments {
      // Changed ones of the step that is computed and of the next two; and what each thread keeps:
      // a picture in 64 bits a pixel.
      need.addPictures(3 * batch + 3 * (threads + 1), of: architecture.input)
    }
    switch bodies {
    case .encoded: need.addExchange(architecture, optimizer: optimizer, batch: batch, steps: steps)
    case .local: need.add(2, GradientLayout(architecture.parameters, batch: batch).buffer)
    }
    return need
  }

  /// What a worker has of the run, and what it sends and receives.
  private mutating func addExchange(
    _ architecture: Architecture, optimizer: any Optimizer, batch: Int, steps: Int
  ) {
    add(1 + optimizer.slots.count, architecture.parameters)
    // One is computed while the one before is sent, encoded; an update is gathered while the one
    // before is made.
    add(3 + 2 * (steps + 1), GradientLayout(architecture.parameters, batch: batch).buffer)
  }

  /// A worker's that replays a recording.
  static func replaying(
    _ architecture: Architecture, optimizer: any Optimizer, batch: Int, steps: Int
  ) -> MemoryNeed {
    var need = MemoryNeed()
    need.addExchange(architecture, optimizer: optimizer, batch: batch, steps: steps)
    return need
  }

  /// A coordinator's with workers that replay a recording, some of them on the same machine.
  public static func replay(
    _ architecture: Architecture, _ hyperparameters: Hyperparameters, localWorkers: Int
  ) -> MemoryNeed {
    let (optimizer, batch) = (hyperparameters.optimizer, hyperparameters.batchSize)
    let steps = hyperparameters.batchesPerUpdate
    // What the recording is made with is gone when the run begins.
    var recording = benchmark(
      architecture, optimizer: optimizer, batch: batch, threads: 1)
    recording.addPictures(2 * batch, of: architecture.input)
    recording.add(
      2 + min(steps, Recording.gradientsMost),
      GradientLayout(architecture.parameters, batch: batch).buffer)
    var need = coordinator(architecture, hyperparameters, bodies: .encoded)
    need.cover(recording)
    let worker = replaying(architecture, optimizer: optimizer, batch: batch, steps: steps)
    need.add(localWorkers, ofBytes: worker.bytes)
    return need
  }

  /// A coordinator's: its state, a copy for a checkpoint and the file made of that; of an update,
  /// the gradients or what they are summed to.
  static func coordinator(
    _ architecture: Architecture, _ hyperparameters: Hyperparameters, bodies: BodyForm
  ) -> MemoryNeed {
    let steps = hyperparameters.batchesPerUpdate
    let gradient = GradientLayout(
      architecture.parameters, batch: hyperparameters.batchSize
    ).buffer
    var need = MemoryNeed()
    let stateBuffers = 1 + hyperparameters.optimizer.slots.count
    // The file is there three times while it is put together.
    need.add(5 * stateBuffers, architecture.parameters)
    // So is that of the best epoch's weights, perhaps meanwhile.
    need.add(3, architecture.parameters)
    // What is sent to those who join.
    if case .encoded = bodies { need.add(stateBuffers, architecture.parameters) }
    if steps > Updater.gradientsAtOnce {
      // Runs of gradients are summed as soon as they are there; workers finish them out of order.
      need.add(steps / Updater.gradientsAtOnce + 1, architecture.parameters)
    }
    // Those of the update, and as many of spare workers that are still coming.
    need.add(2 * steps + 1, gradient)
    return need
  }

  /// A run's whose coordinator and worker are one process.
  public static func oneProcess(
    _ architecture: Architecture, _ hyperparameters: Hyperparameters, threads: Int
  ) -> MemoryNeed {
    var need = coordinator(architecture, hyperparameters, bodies: .local)
    let worker = worker(
      architecture, optimizer: hyperparameters.optimizer, batch: hyperparameters.batchSize,
      steps: hyperparameters.batchesPerUpdate, threads: threads, bodies: .local,
      augments: !hyperparameters.augmentation.isNone)
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
    need.cover(probe)
    let worker = worker(
      architecture, optimizer: hyperparameters.optimizer, batch: hyperparameters.batchSize,
      steps: hyperparameters.batchesPerUpdate, threads: workerThreads, bodies: .encoded,
      augments: !hyperparameters.augmentation.isNone)
    need.add(localWorkers, ofBytes: worker.bytes)
    return need
  }
}
