import ArgumentParser
import Engine
import Foundation
import Network
import Pictures
import Primitives
import Runs
import Training

/// `dogsled auto`: a coordinator or a worker, as the batch system says that started it.
struct AutoCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "auto",
    abstract: "Be coordinator or worker, as srun, mpirun, torchrun or an Indexed Job say.",
    discussion: """
      Process 0 is the coordinator and trains; the others are its workers. They find each
      other by the token in the run folder (--run), which must be on a disk that all see.
      Without such a disk give all of them --key FILE, of 'dogsled key', where the machine
      of process 0 is known (srun, torchrun), or give process 0 --key FILE and the others
      a token of it, by --token-file or DOGSLED_TOKEN. A worker that does not see DATA is
      sent the pictures.

      Example: srun --ntasks 5 dogsled auto pets --run runs/auto
      """)

  @Argument(
    help: "The data set's folder; with --resume it is the run's.", completion: .directory)
  var data: String?

  @Option(
    help: ArgumentHelp(
      "Where process 0 listens, * for all its addresses; the default port depends on the batch "
        + "system.", valueName: "host:port"))
  var listen: Endpoint?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Workers to wait for before training starts; by default all other processes.",
      valueName: "n"))
  var workers: Int?

  @Option(
    help: ArgumentHelp(
      "A key of 'dogsled key', from which workers know the secret.", valueName: "file"),
    completion: .file())
  var key: String?

  @Option(
    help: ArgumentHelp(
      "A file that holds the token of that key, for workers; without it the variable "
        + "DOGSLED_TOKEN.", valueName: "file"),
    completion: .file())
  var tokenFile: String?

  @OptionGroup var cache: CacheOptions

  @OptionGroup var options: TrainingOptions

  func validate() throws {
    try options.demand(data)
    try cache.check(data: nil)
    if let workers, !(1...256).contains(workers) {
      throw ValidationError("--workers must be from 1 to 256, not \(workers)")
    }
  }

  func run() throws {
    let system = try BatchSystem()
    let others = system.count.map { $0 - 1 }
    guard others != 0 else {
      throw Failure(
        "\(system.name) started one process: a coordinator needs workers (train needs none)",
        status: .wrongUsage)
    }
    guard let count = workers ?? others else {
      throw Failure(
        "\(system.name) does not say how many processes there are: give --workers, one less",
        status: .wrongUsage)
    }
    guard count <= 256 else {
      throw Failure(
        "\(system.name) started \(count) workers, and there may be 256", status: .wrongUsage)
    }
    let hasToken = tokenFile != nil || TokenOptions.given != nil
    guard options.run != nil || options.resume != nil || key != nil || hasToken else {
      throw Failure(
        "the processes have no secret in common: give --run FOLDER on a disk that all see, or "
          + "--key FILE", status: .wrongUsage)
    }
    if system.rank == 0 {
      try coordinate(system, count, hasToken: hasToken)
    } else {
      try work(system)
    }
  }

  private func coordinate(_ system: BatchSystem, _ count: Int, hasToken: Bool) throws {
    guard key != nil || !hasToken else {
      throw Failure(
        "process 0 needs --key FILE: the key that the workers' token was made of",
        status: .wrongUsage)
    }
    let listen = listen ?? Endpoint(host: "*", port: system.port)
    log("\(system.name): process 0 of \(counted(count, "worker")) is the coordinator")
    var again = ["auto"] + options.movedData(data)
    if let key { again += ["--key", key] }
    if let workers { again += ["--workers", "\(workers)"] }
    again += options.ofComputing
    try NetworkRun(
      data: data, options: options, endpoint: listen, lock: .key(file: key), workers: count,
      again: again
    ).run()
  }

  // MARK: Workers

  private func work(_ system: BatchSystem) throws {
    let seen = data.flatMap { PictureFolder.exists($0) ? $0 : nil }
    let worker = WorkerHost(
      pictures: try cache.pictures(data: seen), threads: options.threading.count,
      kernels: try KernelSet.chosen(), process: .random(in: 0...UInt64.max), processes: 1, log: log)
    log("\(system.name): process \(system.rank) is a worker")
    try WorkerConnections(once: false) { try choice(system) }.serve(with: worker)
  }

  /// Where the coordinator is now: asked before each attempt, since one that comes back, perhaps on
  /// another machine, writes another token.
  private func choice(_ system: BatchSystem) throws -> CoordinatorChoice {
    let known = system.host.flatMap { host in
      let port = listen?.port ?? system.port
      return port == 0 ? nil : Endpoint(host: host, port: port)
    }
    if let key, tokenFile == nil, TokenOptions.given == nil, let known {
      return CoordinatorChoice(
        Token(of: try Key(file: key), hosts: [known.host], port: known.port))
    }
    let token: Token
    if tokenFile != nil || TokenOptions.given != nil {
      token = try CoordinatorChoice.token(file: tokenFile)
    } else if let folder = options.run ?? options.resume {
      token = try waitForToken(RunFolder.tokenPath(in: folder))
    } else {
      throw Failure(
        "\(system.name) does not say where process 0 is: give workers a token of the key, by "
          + "--token-file or \(TokenOptions.variable)", status: .wrongUsage)
    }
    return CoordinatorChoice(token, also: known)
  }

  private static let patience = Duration.seconds(600)

  private func waitForToken(_ path: String) throws -> Token {
    let start = ContinuousClock.now
    while true {
      if FileManager.default.fileExists(atPath: path) {
        return try CoordinatorChoice.token(file: path)
      }
      guard .now - start < Self.patience else {
        throw Failure(
          "\(path): not there after ten minutes: is the run's folder on a disk that all processes "
            + "see? Else give them --key FILE")
      }
      Thread.sleep(forTimeInterval: 0.2)
    }
  }
}
