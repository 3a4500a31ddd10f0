import Coordination
import Engine
import Foundation
import KerasFiles
import Pictures
import Primitives
import Runs

/// Training in one process: the coordinator on the caller's thread, one worker on another.
public enum OneProcess {
  /// Trains until the end, a signal or a failure.
  ///
  /// - Parameters:
  ///   - pictures: the stores of the job's manifest.
  ///   - threads: of the engine and of the updates, which take turns.
  ///   - mailbox: the coordinator's; put `.interrupted` there to end the run early.
  ///   - checkpoint: goes on from there.
  ///   - checkpointEvery: when to write one beside those at each epoch's end.
  ///   - report: called on the caller's thread.
  /// - Returns: how the run ended, and the digest of the weights.
  /// - Throws: where the threads cannot be had; nothing was done then.
  public static func train(
    _ job: TrainingJob, pictures: (training: PictureStore, validation: PictureStore),
    threads: Int, kernels: KernelSet, store: any RunStore, mailbox: Mailbox<CoordinatorInput>,
    checkpoint: ModelFile? = nil, checkpointEvery: CheckpointInterval? = nil,
    report: @escaping (TrainingReport) -> Void
  ) throws(ThreadError) -> (ending: RunEnding, digest: Digest) {
    let links = InMemoryLinks(coordinator: mailbox)
    var options = CoordinatorHost.Options(kernels: kernels)
    options.localWorkers = [0]
    options.threads = threads
    options.checkpointEvery = checkpointEvery
    options.bodies = .local
    let coordinator = try CoordinatorHost(
      job, options: options, store: store, mailbox: mailbox, links: links,
      checkpoint: checkpoint, report: report)
    let source = WorkerPictures.shared(
      training: pictures.training, validation: pictures.validation)
    let workerIsDone = DispatchSemaphore(value: 0)
    let own = Mailbox<WorkerInput>()
    try OwnThread.start("worker", stackSize: 8 << 20) {
      let worker = WorkerHost(
        pictures: source, threads: threads, kernels: kernels, process: 0, bodies: .local)
      let ending = worker.run(mailbox: own, link: links.connect(own))
      mailbox.put(.localWorkerExited(0, reason: "\(ending)"))
      workerIsDone.signal()
    }
    let ending = coordinator.run()
    // A run that ended before the worker joined had nobody to tell.
    own.put(.closed(reason: "the run is over"))
    workerIsDone.wait()
    return (ending, coordinator.digest)
  }
}
