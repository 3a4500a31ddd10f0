import Engine
import Foundation
import Network
import Training
import Wire

/// A run whose workers come over sockets: what `coordinator` and `train --workers` share.
struct NetworkRun {
  let data: String
  let options: TrainingOptions
  let endpoint: Endpoint
  /// Workers that training waits for.
  let workers: Int
  /// Threads of each worker that the run launches itself; nil where it launches none.
  var threadsOfLocalWorkers: Int?

  /// Trains, and takes down what it started.
  /// - Throws: what ends the verb.
  func run() async throws {
    let kernels = try KernelSet.chosen()
    let mailbox = Mailbox<CoordinatorInput>()
    let (server, setup, probe) = try await onOwnThread("coordinator") {
      Result { try prepare(mailbox, kernels) }
    }.get()
    // Until now a signal ends the program: there is nothing to save.
    await Signals.onInterrupt { mailbox.put(.interrupted) }
    try await onOwnThread("coordinator") {
      Result { try train(server, setup, probe, kernels, mailbox) }
    }.get()
  }

  /// Takes the port, then computes the probe and decodes the pictures.
  private func prepare(
    _ mailbox: Mailbox<CoordinatorInput>, _ kernels: KernelSet
  ) throws -> (CoordinatorServer, TrainingSetup, Probe) {
    let start = try RunStart(options, workers: workers)
    let gradients = GradientLayout(
      start.architecture.parameters, batch: start.hyperparameters.batchSize)
    var limits = Limits.standard
    limits.heartbeatBound = options.heartbeat
    // Two may be late, or lost with a moment of the network.
    limits.heartbeat = options.heartbeat / 3
    let server = try CoordinatorServer(
      host: endpoint.host, port: endpoint.port, floats: gradients.buffer.bufferCount,
      limits: limits, mailbox: mailbox)
    do {
      let probe = try Probe(
        start.architecture, start.hyperparameters, threads: options.threading.count,
        kernels: kernels)
      return (
        server, try TrainingSetup(options, start, data: data, keepsPictures: false), probe
      )
    } catch {
      server.shutdown()
      throw error
    }
  }

  private func train(
    _ server: CoordinatorServer, _ setup: TrainingSetup, _ probe: Probe, _ kernels: KernelSet,
    _ mailbox: Mailbox<CoordinatorInput>
  ) throws {
    defer { server.shutdown() }
    let address = Endpoint(host: endpoint.host, port: server.port)
    var hostOptions = CoordinatorHost.Options(kernels: kernels)
    hostOptions.minimumWorkers = workers
    hostOptions.threads = options.threading.count
    hostOptions.checkpointEvery = options.checkpointEvery
    hostOptions.probe = probe
    hostOptions.verify = options.verify
    hostOptions.heartbeatBound = .seconds(options.heartbeat)
    var local: LocalWorkers?
    if let threads = threadsOfLocalWorkers {
      let tokens = (0..<workers).map { _ in UInt64.random(in: 0...UInt64.max) }
      hostOptions.localWorkers = tokens
      setup.announce(
        computing: "\(counted(workers, "local worker")) of \(counted(threads, "thread")), "
          + "\(kernels.rawValue) kernels; more may join at \(address)")
      local = try launch(tokens, threads, address, setup.folder, mailbox)
    } else {
      setup.announce(computing: "begins with \(counted(workers, "worker")) that join at \(address)")
    }
    defer { local?.stop() }
    let printer = ProgressPrinter(epochs: setup.job.hyperparameters.epochs)
    let coordinator = CoordinatorHost(
      setup.job, options: hostOptions, store: setup.folder, mailbox: mailbox, links: server,
      checkpoint: setup.checkpoint, report: printer.show)
    let ending = coordinator.run()
    server.shutdown()
    try setup.conclude(ending, digest: coordinator.digest)
  }

  private func launch(
    _ tokens: [UInt64], _ threads: Int, _ address: Endpoint, _ folder: RunFolder,
    _ mailbox: Mailbox<CoordinatorInput>
  ) throws -> LocalWorkers {
    let executable = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
    return try LocalWorkers(
      tokens: tokens, executable: executable,
      arguments: { _ in
        ["worker", address.description, "--data=\(data)", "--threads=\(threads)", "--once"]
      }, folder: folder.path, mailbox: mailbox)
  }
}

/// Runs `body` on a thread of its own, so that it may block, and waits for it.
func onOwnThread<Result: Sendable>(
  _ name: String, _ body: @escaping @Sendable () -> Result
) async -> Result {
  await withCheckedContinuation { continuation in
    let thread = Thread { continuation.resume(returning: body()) }
    thread.name = name
    thread.stackSize = 8 << 20
    thread.start()
  }
}
