import ArgumentParser
import Engine
import Foundation
import Network
import Training

/// `dogsled train`: the whole run on this machine.
struct Train: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Train on this machine, in one process or with local workers.",
    discussion: """
      DATA holds train/ and validation/ with one folder of JPEGs a class, as prepare makes it.

      Example: dogsled train pets --epochs 30 --workers 2 --run runs/pets
      """)

  @Argument(help: "The data set's folder.", completion: .directory)
  var data: String

  @Option(help: ArgumentHelp("Worker processes to start; without it one process.", valueName: "n"))
  var workers: Int?

  @OptionGroup var options: TrainingOptions

  func validate() throws {
    if let workers, !(1...256).contains(workers) {
      throw ValidationError("--workers must be from 1 to 256, not \(workers)")
    }
  }

  func run() async throws {
    let setup = try TrainingSetup(
      options, data: data, workers: workers ?? 1, keepsPictures: workers == nil)
    let folder = try setup.makeFolder(options)
    if let workers {
      let threads = options.threads ?? max(1, availableCores / workers)
      let plan = NetworkRun(
        setup: setup, folder: folder, host: "127.0.0.1", port: 0, minimumWorkers: workers,
        local: .init(count: workers, threads: threads))
      try await plan.run(threads: options.threadCount)
    } else {
      try await inOneProcess(setup, folder)
    }
  }

  private func inOneProcess(_ setup: TrainingSetup, _ folder: RunFolder) async throws {
    let threads = options.threadCount
    let kernels = try KernelSet.chosen()
    setup.announce(
      folder,
      computing: "in this process, \(threads) threads, \(kernels.rawValue) kernels")
    let mailbox = Mailbox<CoordinatorInput>()
    let signals = Signals { mailbox.put(.interrupted) }
    let (ending, digest) = await onOwnThread("coordinator") {
      let printer = ProgressPrinter(epochs: setup.job.hyperparameters.epochs)
      return OneProcess.train(
        setup.job, pictures: (setup.training, setup.validation), threads: threads,
        kernels: kernels, folder: folder, mailbox: mailbox, report: printer.show)
    }
    withExtendedLifetime(signals) {}
    try TrainingSetup.conclude(ending, digest: digest, folder: folder)
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
