import ArgumentParser
import Engine
import Network
import Primitives
import Training

/// `dogsled train`: the whole run on this machine.
struct Train: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Train on this machine, in one process or with local workers.",
    discussion: """
      DATA holds train/ and validation/ with one folder of JPEGs a class, as prepare makes it.

      Example: dogsled train pets --epochs 30 --workers 2 --run runs/pets
      """)

  @Argument(
    help: "The data set's folder; with --resume it is the run's.", completion: .directory)
  var data: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Worker processes to start; without it one process.", valueName: "n"))
  var workers: Int?

  @OptionGroup var options: TrainingOptions

  func validate() throws {
    try options.demand(data)
    if let workers, !(1...256).contains(workers) {
      throw ValidationError("--workers must be from 1 to 256, not \(workers)")
    }
    if options.verify > 0, workers == nil {
      throw ValidationError("--verify needs --workers: one process has nobody to compare with")
    }
    if options.chain != .auto, workers == nil {
      throw ValidationError("--chain needs --workers: one process has nobody to hand anything on")
    }
    if options.weightsForm != .auto, workers == nil {
      throw ValidationError("--weights needs --workers: in one process no weights travel")
    }
  }

  func run() throws {
    if let workers {
      let threads = options.threading.threads ?? max(1, ThreadOptions.cores.usable / workers)
      try NetworkRun(
        data: data, options: options, endpoint: Endpoint(host: "127.0.0.1", port: 0),
        lock: .secret, workers: workers, threadsOfLocalWorkers: threads, again: again
      ).run()
    } else {
      try inOneProcess()
    }
  }

  /// The command that goes on in the same way, without its `--resume`.
  private var again: [String] {
    ["train"] + options.movedData(data) + (workers.map { ["--workers", "\($0)"] } ?? [])
      + options.ofComputing
  }

  private func inOneProcess() throws {
    let kernels = try KernelSet.chosen()
    let threads = options.threading.count
    let start = try RunStart(options, data: data, workers: 1)
    let need = MemoryNeed.oneProcess(
      start.architecture, start.hyperparameters, threads: threads)
    try need.check("the run", advice: "choose a smaller --batch-size, or fewer --threads")
    let setup = try TrainingSetup(options, start, pictureCache: need.pictureCache())
    setup.announce(
      computing: "in this process, \(counted(threads, "thread"))\(ThreadOptions.cores.note), "
        + "\(kernels.rawValue) kernels", memory: need, keepsPictures: true)
    let mailbox = Mailbox<CoordinatorInput>()
    try Signals.onInterrupt { mailbox.put(.interrupted) }
    let printer = ProgressPrinter(setup.job.hyperparameters)
    let (ending, digest) = try OneProcess.train(
      setup.job, pictures: (setup.training, setup.validation), threads: threads,
      kernels: kernels, store: setup.folder, mailbox: mailbox, checkpoint: setup.checkpoint,
      checkpointEvery: options.checkpointEvery,
      report: { report in
        // Who computes is said above.
        switch report {
        case .note(.waiting), .note(.joined): break
        default: printer.show(report)
        }
      })
    try setup.conclude(ending, digest: digest, again: again)
  }
}
