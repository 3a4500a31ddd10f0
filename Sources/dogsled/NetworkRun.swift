import Engine
import Foundation
import Network
import Primitives
import Runs
import Training
import Wire

/// A run whose workers come over sockets: what `coordinator` and `train --workers` share.
struct NetworkRun {
  /// The data folder; nil for that of the run that goes on.
  let data: String?
  let options: TrainingOptions
  let endpoint: Endpoint
  /// What it takes to join.
  let lock: RunLock.Choice
  /// Workers that training waits for.
  let workers: Int
  /// Threads of each worker that the run launches itself; nil where it launches none.
  var threadsOfLocalWorkers: Int?
  /// The command that goes on with the run, without its `--resume`.
  let again: [String]

  /// Trains, and takes down what it started.
  /// - Throws: what ends the verb.
  func run() throws {
    let listen = try ListenAddress(endpoint)
    let kernels = try KernelSet.chosen()
    let mailbox = Mailbox<CoordinatorInput>()
    let (server, setup, probe, token, memory) = try prepare(listen, mailbox, kernels)
    // Until now a signal ends the program: there is nothing to save.
    try Signals.onInterrupt { mailbox.put(.interrupted) }
    try train(listen, token, server, setup, probe, memory, kernels, mailbox)
  }

  /// Takes the port, then computes the probe and decodes the pictures.
  private func prepare(
    _ listen: ListenAddress, _ mailbox: Mailbox<CoordinatorInput>, _ kernels: KernelSet
  ) throws -> (CoordinatorServer, TrainingSetup, Probe, Token?, MemoryNeed) {
    let start = try RunStart(options, data: data, workers: workers)
    let lock = try RunLock(lock, resuming: start.resumed?.folder)
    let need = MemoryNeed.networkRun(
      start.architecture, start.hyperparameters, threads: options.threading.count,
      localWorkers: threadsOfLocalWorkers == nil ? 0 : workers,
      workerThreads: threadsOfLocalWorkers ?? 1)
    try need.check(
      "the run", advice: "choose a smaller --batch-size, or fewer --workers or --threads")
    var limits = Limits.standard
    limits.heartbeatBound = options.heartbeat
    // Two may be late, or lost with a moment of the network.
    limits.heartbeat = options.heartbeat / 3
    limits.queued = Self.queuedMost(start.architecture, start.hyperparameters)
    let server = try CoordinatorServer(
      host: listen.host, port: endpoint.port, lock: lock.server, limits: limits,
      mailbox: mailbox)
    do {
      let probe = try Probe(
        start.architecture, start.hyperparameters, threads: options.threading.count,
        kernels: kernels)
      let setup = try TrainingSetup(options, start, pictureCache: 0)
      let token = lock.token(hosts: listen.hosts, port: server.port)
      try lock.write(token, into: setup.folder)
      return (server, setup, probe, token, need)
    } catch {
      server.shutdown()
      throw error
    }
  }

  private func train(
    _ listen: ListenAddress, _ token: Token?, _ server: CoordinatorServer,
    _ setup: TrainingSetup, _ probe: Probe, _ memory: MemoryNeed, _ kernels: KernelSet,
    _ mailbox: Mailbox<CoordinatorInput>
  ) throws {
    defer { server.shutdown() }
    let address = Endpoint(host: listen.host, port: server.port)
    var hostOptions = CoordinatorHost.Options(kernels: kernels)
    hostOptions.minimumWorkers = workers
    hostOptions.threads = options.threading.count
    hostOptions.checkpointEvery = options.checkpointEvery
    hostOptions.probe = probe
    hostOptions.pictures = setup.data
    hostOptions.verify = options.verify
    hostOptions.weights = options.weightsForm
    hostOptions.chain = options.chain
    hostOptions.heartbeatBound = .seconds(options.heartbeat)
    var local: LocalWorkers?
    if let threads = threadsOfLocalWorkers {
      let processes = (0..<workers).map { _ in UInt64.random(in: 0...UInt64.max) }
      hostOptions.localWorkers = processes
      setup.announce(
        computing: "\(counted(workers, "local worker")) of \(counted(threads, "thread"))"
          + "\(ThreadOptions.cores.note), \(kernels.rawValue) kernels; more of this machine may "
          + "join at \(address) with \(setup.folder.tokenPath)", memory: memory, keepsPictures: true
      )
      local = try launch(processes, threads, address, token, setup, mailbox)
    } else {
      setup.announce(
        computing: "begins with \(counted(workers, "worker"))", memory: memory,
        keepsPictures: false)
      listen.announce(port: server.port, token: token, file: setup.folder.tokenPath) {
        "dogsled worker \($0)"
      }
    }
    defer { local?.stop() }
    let printer = ProgressPrinter(setup.job.hyperparameters)
    let coordinator = try CoordinatorHost(
      setup.job, options: hostOptions, store: setup.folder, mailbox: mailbox, links: server,
      checkpoint: setup.checkpoint, report: printer.show)
    let ending = coordinator.run()
    server.shutdown()
    try setup.conclude(ending, digest: coordinator.digest, again: again)
  }

  private func launch(
    _ processes: [UInt64], _ threads: Int, _ address: Endpoint, _ token: Token?,
    _ setup: TrainingSetup, _ mailbox: Mailbox<CoordinatorInput>
  ) throws -> LocalWorkers {
    let executable = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
    return try LocalWorkers(
      numbers: processes, executable: executable,
      arguments: { _ in
        ["worker", address.description, "--data=\(setup.data)", "--threads=\(threads)", "--once"]
      }, environment: TokenOptions.environment(token), folder: setup.folder.path,
      mailbox: mailbox)
  }

  /// What may wait for one worker: some states and updates; a worker that is further behind is
  /// lost, and joins again.
  private static func queuedMost(
    _ architecture: Architecture, _ hyperparameters: Hyperparameters
  ) -> Int {
    let state = 1 + hyperparameters.optimizer.slots.count
    return 64 << 20 + 4 * (state + 4) * 4 * architecture.parameters.bufferCount
  }
}
