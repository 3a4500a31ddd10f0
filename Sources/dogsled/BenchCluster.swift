import ArgumentParser
import Engine
import KerasFiles
import Network
import Primitives
import Training

/// A coordinator with workers that compute nothing.
struct BenchCluster: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "cluster",
    abstract: "Measure a coordinator and a network, with workers that sleep instead of computing.",
    discussion: """
      Records a step and what an update takes on one core, then runs a real coordinator with workers
      that replay the step: each sends its gradient part by part over --compute milliseconds, and
      sleeps while it would make an update. So there may be more workers than cores. Prints one line
      at the end: the time of an update, and as its share what no network could better.

      Without --listen the workers are launched on this machine. With it they are started elsewhere
      with --join, and get all settings from the coordinator. The token that they need is
      printed on a terminal, or written to --token-file.

      Example: dogsled bench cluster --workers 8 --compute 60
      """)

  @Option(parsing: .unconditional, help: ArgumentHelp("Workers.", valueName: "n"))
  var workers: Int?
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Milliseconds that a worker takes to compute a step.", valueName: "ms"))
  var compute: Double?
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Steps of an update (default: one for each worker).", valueName: "u"))
  var batchesPerUpdate: Int?
  @Option(
    parsing: .unconditional,
    help: "Updates that are timed, after ten that are not (default: 50).")
  var count: Int?
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "How workers come to new weights: whole, update or auto, as in a run (default: auto).",
      valueName: "what"))
  var weights: WeightsForm?
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Which workers hand parts of updates on: auto, always or never, as in a run (default: auto).",
      valueName: "which"))
  var chain: ChainForm?
  @Option(
    help: ArgumentHelp(
      "A model's layers: Keras's JSON, or an .h5 file; the default is the book's network.",
      valueName: "file"),
    completion: .file(extensions: ["json", "h5"]))
  var model: String?
  @Option(parsing: .unconditional, help: "Pictures in a batch (default: 20).") var batchSize: Int?
  @OptionGroup var threading: ThreadOptions
  @Option(
    help: ArgumentHelp(
      "Wait here for workers of other machines.", valueName: "host:port"))
  var listen: Endpoint?
  @OptionGroup var token: TokenOptions
  @Option(
    help: ArgumentHelp(
      "Be a worker of this coordinator.", valueName: "token|host:port"))
  var join: String?

  func validate() throws {
    if let join { return try validate(joining: join) }
    guard let workers else { throw ValidationError("--workers is needed, or --join") }
    guard let compute else { throw ValidationError("--compute is needed") }
    guard (1...256).contains(workers) else {
      throw ValidationError("--workers must be from 1 to 256, not \(workers)")
    }
    guard (0.001...60_000).contains(compute) else {
      throw ValidationError("--compute must be from 0.001 to 60000 milliseconds, not \(compute)")
    }
    if let count, !(1...10_000).contains(count) {
      throw ValidationError("--count must be from 1 to 10000, not \(count)")
    }
    guard listen != nil || !token.insecure && token.tokenFile == nil else {
      throw ValidationError(
        "--insecure and --token-file are for --listen: launched workers are on this machine")
    }
    guard !token.insecure || token.tokenFile == nil else {
      throw ValidationError("--insecure is for a network without a token: leave --token-file out")
    }
  }

  private func validate(joining coordinator: String) throws {
    let others = [
      ("--workers", workers != nil), ("--compute", compute != nil), ("--count", count != nil),
      ("--batches-per-update", batchesPerUpdate != nil), ("--weights", weights != nil),
      ("--chain", chain != nil),
      ("--model", model != nil), ("--batch-size", batchSize != nil), ("--listen", listen != nil),
      ("--threads", threading.threads != nil),
    ]
    if let (name, _) = others.first(where: \.1) {
      throw ValidationError("\(name) cannot be given with --join: the coordinator has it")
    }
    try CoordinatorChoice.check(coordinator, token)
  }

  func run() throws {
    let kernels = try KernelSet.chosen()
    if let join { return try Self.replay(CoordinatorChoice(join, token), kernels) }
    guard let workers, let compute else { return }
    let model = try model.map { try KerasConfiguration.model(inFile: $0).architecture } ?? .book()
    try ClusterRun(
      plan: ClusterPlan(
        model: model, workers: workers, milliseconds: compute,
        batchesPerUpdate: batchesPerUpdate ?? workers, count: count ?? 50,
        batchSize: batchSize ?? 20),
      weights: weights ?? .auto, chain: chain ?? .auto, threads: threading.count,
      kernels: kernels, listen: listen, token: token
    ).run()
  }

  /// Replays what the coordinator sends.
  private static func replay(_ coordinator: CoordinatorChoice, _ kernels: KernelSet) throws {
    try ParentWatch.start()
    let worker = WorkerHost(
      pictures: .recorded, threads: 1, kernels: kernels,
      process: LocalWorkers.process ?? .random(in: 0...UInt64.max), log: log)
    try WorkerConnections(coordinator, once: true).serve(with: worker)
  }
}
