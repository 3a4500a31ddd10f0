import Engine
import Foundation
import Network
import Training

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
    let mailbox = Mailbox<CoordinatorInput>()
    await Signals.onInterrupt { mailbox.put(.interrupted) }
    try await onOwnThread("coordinator") { Result { try train(mailbox) } }.get()
  }

  private func train(_ mailbox: Mailbox<CoordinatorInput>) throws {
    let architecture = try options.architecture()
    let kernels = try KernelSet.chosen()
    let server = try CoordinatorServer(
      host: endpoint.host, port: endpoint.port, floats: architecture.parameters.bufferCount,
      mailbox: mailbox)
    defer { server.shutdown() }
    let setup = try TrainingSetup(
      options, architecture: architecture, data: data, workers: workers, keepsPictures: false)
    let folder = try setup.makeFolder(options)
    let address = Endpoint(host: endpoint.host, port: server.port)
    var hostOptions = CoordinatorHost.Options(kernels: kernels)
    hostOptions.minimumWorkers = workers
    hostOptions.threads = options.threadCount
    var local: LocalWorkers?
    if let threads = threadsOfLocalWorkers {
      hostOptions.localWorkers = workers
      setup.announce(
        folder,
        computing: "\(counted(workers, "local worker")) of \(counted(threads, "thread")), "
          + "\(kernels.rawValue) kernels")
      local = try launch(threads, address, folder, mailbox)
    } else {
      setup.announce(
        folder, computing: "begins with \(counted(workers, "worker")) that join at \(address)")
    }
    defer { local?.stop() }
    let printer = ProgressPrinter(epochs: setup.job.hyperparameters.epochs)
    let coordinator = CoordinatorHost(
      setup.job, options: hostOptions, folder: folder, mailbox: mailbox, links: server,
      report: printer.show)
    let ending = coordinator.run()
    server.shutdown()
    try TrainingSetup.conclude(ending, digest: coordinator.digest, folder: folder)
  }

  private func launch(
    _ threads: Int, _ address: Endpoint, _ folder: RunFolder, _ mailbox: Mailbox<CoordinatorInput>
  ) throws -> LocalWorkers {
    let executable = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
    return try LocalWorkers(
      count: workers, executable: executable,
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
