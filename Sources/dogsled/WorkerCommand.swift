import ArgumentParser
import Engine
import Foundation
import Network
import Pictures
import Training

/// `dogsled worker`: computes for a coordinator until the run is over.
struct WorkerCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "worker",
    abstract: "Compute for a coordinator until its run is over.",
    discussion: """
      The coordinator need not be there yet, and may go and come again. Its token says
      where it listens, what tells it from impostors, and the secret that lets workers in.
      Pictures that the worker lacks come from the coordinator, and are kept for other
      runs of this machine.

      Example: dogsled worker --token-file token
      """)

  @Argument(
    help: ArgumentHelp(
      "The coordinator's token; or another of its addresses than the token names, with the token "
        + "in a file or in DOGSLED_TOKEN.", valueName: "token|host:port"))
  var coordinator: String?

  @OptionGroup var token: TokenOptions

  @Option(
    help: ArgumentHelp(
      "A copy of the coordinator's data folder; without it pictures come from the coordinator, and "
        + "with --cache those that are missing here or differ."),
    completion: .directory)
  var data: String?

  @OptionGroup var cache: CacheOptions

  @OptionGroup var threading: ThreadOptions

  @Flag(
    help: ArgumentHelp(
      "Exit when the connection is lost, even if the run is not over, or if no connection can be "
        + "made within 10 seconds."))
  var once = false

  func validate() throws {
    try CoordinatorChoice.check(coordinator, token)
    try cache.check(data: data)
  }

  func run() throws {
    try ParentWatch.start()
    let choice = try CoordinatorChoice(coordinator, token)
    if let data, !PictureFolder.exists(data) { throw Failure("\(data): no such folder") }
    let pictures = try cache.pictures(data: data)
    let kernels = try KernelSet.chosen()
    if ThreadOptions.cores.limit != nil {
      log("computes with \(counted(threading.count, "thread"))\(ThreadOptions.cores.note)")
    }
    let worker = WorkerHost(
      pictures: pictures, threads: threading.count, kernels: kernels,
      process: LocalWorkers.process ?? .random(in: 0...UInt64.max), processes: LocalWorkers.count,
      log: log)
    if let damage = DamagedGradients.asked() { worker.damage = damage }
    try WorkerConnections(choice, once: once).serve(with: worker)
  }
}
