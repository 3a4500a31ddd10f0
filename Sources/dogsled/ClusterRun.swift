import ArgumentParser
import Coordination
import Engine
import Foundation
import Network
import Primitives
import Training

/// The coordinator of `bench cluster`, and the workers that it launches where none come from
/// elsewhere.
struct ClusterRun {
  let plan: ClusterPlan
  let weights: WeightsForm
  let chain: ChainForm
  /// The coordinator's.
  let threads: Int
  let kernels: KernelSet
  /// Where workers of other machines join; nil for launched ones.
  let listen: Endpoint?
  /// Where the token is written, or that there is none.
  let token: TokenOptions

  /// Runs to the end, and prints what was measured.
  /// - Throws: what ends the verb.
  func run() throws {
    try MemoryNeed.replay(
      plan.job.architecture, plan.job.hyperparameters,
      localWorkers: listen == nil ? plan.workers : 0
    ).check("the benchmark", advice: "choose a smaller --batch-size, or fewer --workers")
    let address = try ListenAddress(listen ?? Endpoint(host: "127.0.0.1", port: 0))
    let choice: RunLock.Choice =
      listen == nil ? .secret : self.token.insecure ? .insecure : .key(file: nil)
    let lock = try RunLock(choice, resuming: nil)
    guard choice.isWithoutKey || self.token.tokenFile != nil || isatty(STDERR_FILENO) != 0 else {
      throw Failure(
        "--token-file is needed: a token is printed on a terminal alone", status: .wrongUsage)
    }
    let mailbox = Mailbox<CoordinatorInput>()
    let server = try CoordinatorServer(
      host: address.host, port: listen?.port ?? 0, lock: lock.server, mailbox: mailbox)
    defer { server.shutdown() }
    let token = lock.token(hosts: address.hosts, port: server.port)
    if let token, let path = self.token.tokenFile {
      try PlainFiles.replace(path, with: Data("\(token.text)\n".utf8), isPrivate: true)
    }
    let recording = try plan.recording(kernels)
    try Signals.onInterrupt { mailbox.put(.interrupted) }
    if listen == nil {
      try withFolder { try measure(recording, server, token, mailbox, logs: $0) }
    } else {
      address.announce(port: server.port, token: token, file: self.token.tokenFile) {
        "dogsled bench cluster --join \($0)"
      }
      try measure(recording, server, token, mailbox, logs: nil)
    }
  }

  /// - Parameter logs: the folder of the logs of workers that are launched; nil for none.
  private func measure(
    _ recording: Recording, _ server: CoordinatorServer, _ token: Token?,
    _ mailbox: Mailbox<CoordinatorInput>, logs: String?
  ) throws {
    var options = CoordinatorHost.Options(kernels: kernels)
    options.minimumWorkers = plan.workers
    options.threads = threads
    options.probe = try Probe(recording)
    options.weights = weights
    options.chain = chain
    let meter = ClusterMeter(plan, server, end: { mailbox.put(.interrupted) })
    var local: LocalWorkers?
    if let logs {
      options.localWorkers = (0..<plan.workers).map { _ in UInt64.random(in: 0...UInt64.max) }
      local = try launch(options.localWorkers, server.port, token, logs, mailbox)
    }
    defer { local?.stop() }
    let coordinator = try CoordinatorHost(
      plan.job, options: options, store: UnkeptRun(), mailbox: mailbox, links: server,
      report: meter.take)
    let ending = coordinator.run()
    try meter.checkThatNothingCameInBetween()
    switch ending {
    case .finished: break
    case .interrupted: throw ExitCode.interrupted
    case .failed(let reason): throw Failure(reason)
    case .cutShort(let reason): throw Failure(reason, status: .tryAgain)
    }
    server.shutdown()
    guard coordinator.digest == recording.digest else {
      throw Failure("the coordinator came to other weights: this is a defect of Dogsled")
    }
    try emit(try jsonLine(meter.result(recording, options, threads: threads, kernels: kernels)))
  }

  private func launch(
    _ processes: [UInt64], _ port: Int, _ token: Token?, _ logs: String,
    _ mailbox: Mailbox<CoordinatorInput>
  ) throws -> LocalWorkers {
    let executable = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
    let address = Endpoint(host: "127.0.0.1", port: port)
    return try LocalWorkers(
      numbers: processes, executable: executable,
      arguments: { _ in ["bench", "cluster", "--join", address.description] },
      environment: TokenOptions.environment(token), folder: logs, mailbox: mailbox)
  }

  /// A folder for what workers log; it stays where something fails, since the failure names them.
  private func withFolder(_ body: (String) throws -> Void) throws {
    let folder = NSTemporaryDirectory() + "dogsled-cluster-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    do {
      try body(folder)
    } catch let error as Failure {
      throw error
    } catch {
      try? FileManager.default.removeItem(atPath: folder)
      throw error
    }
    try? FileManager.default.removeItem(atPath: folder)
  }
}
