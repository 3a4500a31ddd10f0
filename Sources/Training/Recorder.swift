// What a coordinator leaves behind, and what it tells its user.

import Coordination
import Engine
import KerasFiles
import Primitives
import Runs

/// Writes down what comes of a run: events, history, checkpoints and the model.
///
/// Not thread-safe.
final class Recorder {
  private let job: TrainingJob
  private let store: any RunStore
  private let checkpoints: CheckpointWriter
  private let checkpointEvery: CheckpointInterval?
  private let mailbox: Mailbox<CoordinatorInput>
  private let clock: () -> Duration
  private let report: (TrainingReport) -> Void
  /// When the newest checkpoint was begun, and after how many updates.
  private var lastCheckpoint: (time: Duration, updates: Int)
  /// Of the lines that any stranger can cause there are few.
  private var strangers = LineLimit<String, CoordinatorNote>()
  /// The present epoch.
  private(set) var totals: EpochTotals
  /// What follows from the validation of the epochs so far.
  private var progress: ValidationProgress
  /// The best epoch so far.
  private var best: BestEpoch?
  /// Why the last epoch's history could not be written, or earlier weights not be found: no
  /// checkpoint may be written any more.
  private var unwritten: String?

  /// A recorder of what a run learns from `position` on.
  ///
  /// - Parameters:
  ///   - store: the run folder.
  ///   - mailbox: hears of checkpoints that fail on another thread.
  ///   - position: how far the run had come.
  /// - Throws: where the thread that writes checkpoints cannot be had.
  init(
    _ job: TrainingJob, _ options: CoordinatorHost.Options, store: any RunStore,
    mailbox: Mailbox<CoordinatorInput>, position: RunPosition,
    clock: @escaping () -> Duration, report: @escaping (TrainingReport) -> Void
  ) throws(ThreadError) {
    self.job = job
    self.store = store
    self.mailbox = mailbox
    self.clock = clock
    self.report = report
    checkpointEvery = options.checkpointEvery
    checkpoints = try CheckpointWriter(
      store, job.architecture.parameters, optimizer: job.hyperparameters.optimizer,
      inBackground: options.writesInBackground)
    totals = EpochTotals(at: position)
    progress = position.progress ?? ValidationProgress()
    best = position.best
    lastCheckpoint = (clock(), position.updates)
  }

  private var now: Duration { clock() }

  // MARK: Notes

  /// The coordinator begins, at the run's start or at a checkpoint.
  func begin(isResumed: Bool) { store.record(Event(isResumed ? .resumed : .started)) }

  /// Writes a note down, where there are not too many of its kind.
  func note(_ note: CoordinatorNote) {
    if let kind = note.kindOfStranger {
      guard strangers.passes(note, kind: kind, now: now) else { return }
    }
    write(note)
  }

  /// Says how many notes were left out of late; with `isLast` also of what has just begun.
  func noteLeftOut(isLast: Bool = false) {
    for left in strangers.leftOut(now: now, isLast: isLast) {
      write(left.line.standing(for: left.others))
    }
  }

  private func write(_ note: CoordinatorNote) {
    store.record(note.event)
    report(.note(note))
  }

  // MARK: The epoch

  /// The epoch's first work is given out.
  func beginEpoch(_ links: any WorkerLinks) {
    guard totals.began == nil else { return }
    totals.begin(
      now, isTrained: totals.steps == job.schedule.stepsPerEpoch,
      bytesReceived: links.bytesReceived,
      bytesSent: links.bytesSent)
  }

  /// The gradient of a step is in the sum of an update of `count` steps.
  func add(_ step: Engine.Totals, at place: Int, of count: Int) {
    totals.add(step, at: place, of: count)
  }

  /// The coordinator waited so long for what came next.
  func addWait(_ time: Duration) { totals.addWait(time) }

  /// A worker waited so long before it could begin a step.
  func addWait(ofWorker time: Duration) { totals.addWait(ofWorker: time) }

  /// The totals of a validation batch count.
  func add(_ validation: Engine.Totals, batch: Int) {
    totals.add(validation, batch: batch, of: job.schedule.validationBatches)
  }

  /// The update is in the weights.
  /// - Parameter penalty: what the decay of the weights before it adds to a picture's loss.
  func updateApplied(penalty: Double) {
    totals.commitUpdate(penalty: penalty)
    if totals.steps == job.schedule.stepsPerEpoch { totals.trained = now }
  }

  /// Tells how far the epoch has come.
  func tellProgress(workers: Int) {
    let (steps, sums) = totals.soFar()
    let means = sums.means
    let pace = totals.pace(now: now)
    let perStep = Double(sums.count) / Double(max(steps, 1))
    let left = Double(job.schedule.stepsPerEpoch - steps) * perStep
    report(
      .progress(
        TrainingProgress(
          epoch: totals.epoch + 1, epochs: job.schedule.epochs, steps: steps,
          stepsPerEpoch: job.schedule.stepsPerEpoch,
          validated: totals.validation.count { $0 != nil },
          validationBatches: job.schedule.validationBatches, loss: means.loss,
          accuracy: means.accuracy, picturesPerSecond: pace,
          secondsLeft: pace > 0 ? left / pace : nil, workers: workers)))
  }

  /// Writes an epoch (counted from 0) down and begins the next one.
  /// - Returns: why the run cannot go on, where the history or the best model cannot be written.
  func finishEpoch(
    _ epoch: Int, _ state: ModelState, _ links: any WorkerLinks, workers: Int
  ) -> RunEnding? {
    let record = totals.record(
      classes: job.architecture.loss.classes,
      penalty: state.weights.penalty(inUpdate: state.updates - 1),
      rate: rate(ofUpdate: state.updates - 1), now: now,
      bytesReceived: links.bytesReceived,
      bytesSent: links.bytesSent, workers: workers)
    job.hyperparameters.take(validationLoss: record.validationLoss, into: &progress)
    totals = EpochTotals(epoch: epoch + 1)
    beginEpoch(links)
    do {
      // First the model, then the checkpoint that names it.
      try writeBest(record, state)
      try store.append(record)
    } catch {
      // After the last epoch the rules are over: `end` says it then. The checkpoint before leads
      // to this epoch again.
      unwritten = "\(error)"
      return .cutShort("\(error)")
    }
    store.record(Event(.epoch, epoch: epoch + 1, updates: state.updates))
    report(.epoch(record))
    writeCheckpoint(state)
    do {
      try store.drawCurves()
    } catch {
      note(.failure(worker: nil, reason: "\(error)"))
    }
    return nil
  }

  /// Writes the weights of an epoch that did better than all before it.
  private func writeBest(_ record: EpochRecord, _ state: ModelState) throws {
    guard job.hyperparameters.isBetter(record, than: best) else { return }
    let digest = state.digest
    let found = BestEpoch(
      epoch: record.epoch, validationLoss: record.validationLoss,
      validationAccuracy: record.validationAccuracy, digest: digest)
    // The weights alone: nobody trains on from it.
    var model = file(ModelState(weights: state.weights, updates: state.updates), at: nil)
    model.best = found
    try store.writeBest(model.finite())
    best = found
    store.record(
      Event(.best, epoch: record.epoch, updates: state.updates, digest: digest.description))
  }

  /// Whether the run is to end before its last epoch.
  var isOver: Bool { progress.isOver }

  /// The learning rate of an update of the present epoch.
  func rate(ofUpdate update: Int) -> Float {
    job.hyperparameters.rate(
      ofUpdate: update, job.schedule, reductions: progress.reductions)
  }

  // MARK: Checkpoints

  /// The file of a checkpoint.
  private func checkpoint(_ state: ModelState) -> ModelFile {
    var position = totals.position(run: job.digest, updates: state.updates, now: now)
    if job.hyperparameters.watchesValidation { position.progress = progress }
    position.best = best
    return file(state, at: position)
  }

  private func file(_ state: ModelState, at position: RunPosition?) -> ModelFile {
    ModelFile(
      architecture: job.architecture, state: state, optimizer: job.hyperparameters.optimizer,
      labelSmoothing: job.hyperparameters.labelSmoothing, classes: job.manifest.classes,
      pictures: job.hyperparameters.pictures, position: position)
  }

  /// Begins to write a checkpoint where `--checkpoint-every` says so and there is time for it.
  func writeCheckpointIfDue(_ state: ModelState) {
    let isDue: Bool =
      switch checkpointEvery {
      case .updates(let count): state.updates - lastCheckpoint.updates >= count
      case .seconds(let seconds): now - lastCheckpoint.time >= .seconds(seconds)
      case nil: false
      }
    if isDue, checkpoints.hasTime(now - lastCheckpoint.time) { writeCheckpoint(state) }
  }

  private func writeCheckpoint(_ state: ModelState) {
    lastCheckpoint = (now, state.updates)
    let (store, mailbox, updates) = (store, mailbox, state.updates)
    checkpoints.write(checkpoint(state)) { result in
      switch result {
      case .success(let digest):
        store.record(Event(.checkpoint, updates: updates, digest: digest.description))
      case .failure(let error): mailbox.put(.checkpointFailed("\(error)"))
      }
    }
  }

  /// Forgets the totals of the update under way.
  func forgetUpdate() { totals.forgetUpdate() }

  /// Forgets all that came after `update`, or after an earlier checkpoint, for good.
  ///
  /// - Returns: that checkpoint; nil where the run is at its start again.
  /// - Throws: `RollbackFailure`.
  func rollBack(before update: Int, _ links: any WorkerLinks) throws(RollbackFailure) -> ModelFile?
  {
    checkpoints.wait()
    do {
      let file = try store.rollBack(before: update)
      let position = file?.position ?? RunPosition()
      totals = EpochTotals(at: position)
      progress = position.progress ?? ValidationProgress()
      best = position.best
      beginEpoch(links)
      lastCheckpoint = (now, position.updates)
      return file
    } catch {
      // What is in the folder holds errors: no checkpoint may be added to it.
      unwritten = "\(error)"
      let mayPass = error is MemoryError || (error as? FileError)?.mayPass == true
      throw RollbackFailure(
        ending: mayPass
          ? .cutShort("the run cannot roll back to before a worker's errors now: \(error)")
          : .failed("the run cannot roll back to before a worker's errors, begin it anew: \(error)")
      )
    }
  }

  // MARK: The end

  /// Writes the run's last files.
  /// - Returns: how it ends, if that can be written down.
  func end(_ ending: RunEnding, _ state: ModelState) -> RunEnding {
    checkpoints.wait()
    let ending = ending == .finished ? writeModel(state) : writeLastCheckpoint(ending, state)
    if let reason = ending.reason { store.record(Event(.failure, reason: reason)) }
    return ending
  }

  private func writeModel(_ state: ModelState) -> RunEnding {
    do {
      try store.writeModel(file(state, at: nil).finite())
      store.record(
        Event(.finished, updates: state.updates, digest: state.digest.description))
      return unwritten.map(RunEnding.cutShort) ?? .finished
    } catch let error as NotFinite {
      return .failed("\(error)")
    } catch {
      return .cutShort("\(error)")
    }
  }

  private func writeLastCheckpoint(_ ending: RunEnding, _ state: ModelState) -> RunEnding {
    if let unwritten {
      // A checkpoint after an epoch that is not in the history would lose it for good, and one of
      // weights with errors would keep them.
      return ending == .interrupted ? .cutShort(unwritten) : ending
    }
    do {
      try store.writeCheckpoint(checkpoint(state).finite())
      store.record(
        Event(.checkpoint, updates: state.updates, digest: state.digest.description))
      return ending
    } catch {
      guard ending == .interrupted else { return ending }
      return .cutShort(
        "interrupted without a new checkpoint; --resume goes on from the one before: \(error)")
    }
  }
}

/// Earlier weights cannot be found, or later ones not be forgotten.
struct RollbackFailure: Error {
  /// How the run ends therefore.
  let ending: RunEnding
}
