import ArgumentParser
import Network

/// `dogsled coordinator`: waits for workers, then trains.
struct CoordinatorCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "coordinator",
    abstract: "Wait for workers on other machines, then train; later ones may join.",
    discussion: """
      Each update averages --batches-per-update batches; without it, one for each of
      --workers, and the learning rate is multiplied by that number (--scale-rate).
      That suits links of 1 Gbit/s. On slower ones let each worker compute more for an
      update: at 100 Mbit/s some 8 batches a worker. The line of an epoch says what was
      waited for.

      Connections are locked by a key that is made for the run. Workers join with a token,
      which is printed on a terminal, and kept in the run folder's file token.

      Example: dogsled coordinator pets --workers 3
      """)

  @Argument(
    help: "The data set's folder; with --resume it is the run's.", completion: .directory)
  var data: String?

  @Option(
    help: ArgumentHelp(
      "Where workers connect: an address or a name of this machine, or * for all addresses of it.",
      valueName: "host:port"))
  var listen = Endpoint(host: "*", port: 7777)

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Workers to wait for before training starts.", valueName: "n"))
  var workers = 1

  @Option(
    help: ArgumentHelp(
      "A key of 'dogsled key', so that other runs have the same token; without it the run's own.",
      valueName: "file"),
    completion: .file())
  var key: String?

  @Flag(
    help: "No key and no token: nothing is encrypted, and whoever reaches the port may join.")
  var insecure = false

  @OptionGroup var options: TrainingOptions

  func validate() throws {
    try options.demand(data)
    guard key == nil || !insecure else {
      throw ValidationError("--key cannot be given with --insecure, which uses none")
    }
    guard (1...256).contains(workers) else {
      throw ValidationError("--workers must be from 1 to 256, not \(workers)")
    }
  }

  func run() throws {
    var again = ["coordinator"] + options.movedData(data)
    again += ["--listen", listen.description, "--workers", "\(workers)"]
    if insecure { again.append("--insecure") }
    if let key { again += ["--key", key] }
    again += options.ofComputing
    try NetworkRun(
      data: data, options: options, endpoint: listen,
      lock: insecure ? .insecure : .key(file: key), workers: workers, again: again
    ).run()
  }
}
