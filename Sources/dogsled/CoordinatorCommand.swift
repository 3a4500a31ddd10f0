import ArgumentParser
import Training

/// `dogsled coordinator`: waits for workers, then trains.
struct CoordinatorCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "coordinator",
    abstract: "Wait for workers on other machines, then train; later ones may join.",
    discussion: """
      Example: dogsled coordinator pets --listen 192.168.1.2:7777 --workers 3 --insecure
      """)

  @Argument(help: "The data set's folder.", completion: .directory)
  var data: String

  @Option(help: ArgumentHelp("Where workers connect.", valueName: "host:port"))
  var listen = Endpoint(host: "127.0.0.1", port: 7777)

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Workers to wait for before training starts.", valueName: "n"))
  var workers = 1

  @Flag(help: "Allow an address that other machines reach: nothing is encrypted.")
  var insecure = false

  @OptionGroup var options: TrainingOptions

  func validate() throws {
    guard (1...256).contains(workers) else {
      throw ValidationError("--workers must be from 1 to 256, not \(workers)")
    }
    guard listen.isLoopback || insecure else {
      throw ValidationError(
        "--listen \(listen): other machines reach this address, and traffic is neither encrypted "
          + "nor authenticated; say --insecure on a network that you trust")
    }
  }

  func run() throws {
    try NetworkRun(data: data, options: options, endpoint: listen, workers: workers).run()
  }
}
