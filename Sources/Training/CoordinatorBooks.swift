// What the coordinator's host does with answers: it sums them, applies updates and writes down
// what came of them.

import Coordination
import Engine
import KerasFiles
import Primitives
import Runs
import Wire

/// An answer of a worker that cannot be what the work asked for.
struct UnusableAnswer: Error, CustomStringConvertible {
  let description: String
}

extension CoordinatorHost {
  /// Takes in the gradient or the totals in `arrived`.
  /// - Throws: `WireError` or `UnusableAnswer`.
  func takeIn(_ unit: WorkUnit) throws {
    switch (arrived, unit) {
    case (.gradient(let header, let body), .step(let step)):
      let totals = try checked(
        unit, header.loss, header.correct, header.count, job.plan.training(step: step).count)
      let gradient: ParameterBuffer
      if case .local(let buffer) = body {
        gradient = buffer
      } else {
        gradient = learner.gradientBuffer()
        try TensorCoding.decode(body, into: gradient)
        guard gradient.digest == header.digest else {
          throw UnusableAnswer(
            description: "the digest of its gradient of \(unit) is not the one it names")
        }
      }
      // A worker says so itself, by its loss.
      guard gradient.isFinite || !totals.loss.isFinite else {
        throw UnusableAnswer(
          description: "its gradient of \(unit) is not finite, though its loss is: its memory or "
            + "its processor makes errors")
      }
      let steps = job.schedule.steps(ofUpdate: rules.updatesApplied)
      if ledger.update.isEmpty { ledger.update = Array(repeating: nil, count: steps.count) }
      learner.take(
        StepGradient(gradient, pictures: header.count), at: step - steps.lowerBound,
        of: steps.count)
      ledger.update[step - steps.lowerBound] = totals
    case (.evaluated(let header), .validation(let batch)):
      let totals = try checked(
        unit, header.loss, header.correct, header.count, job.plan.validation(batch: batch).count)
      if ledger.validation.isEmpty {
        ledger.validation = Array(repeating: nil, count: job.schedule.validationBatches)
      }
      ledger.validation[batch] = totals
    default:
      throw UnusableAnswer(description: "no answer to \(unit)")
    }
  }

  private func checked(
    _ unit: WorkUnit, _ loss: Double, _ correct: Int, _ count: Int, _ expected: Int
  ) throws -> Engine.Totals {
    guard count == expected else {
      throw UnusableAnswer(
        description: "its answer to \(unit) is for \(count) pictures, not \(expected)")
    }
    guard (0...count).contains(correct) else {
      throw UnusableAnswer(
        description: "its answer to \(unit) has \(correct) of \(count) pictures right")
    }
    // A picture's loss is at most its logit, a `Float`, and a little more.
    let most = Double(count) * (Double(Float.greatestFiniteMagnitude) + 1)
    guard !loss.isFinite || (0...most).contains(loss) else {
      throw UnusableAnswer(description: "its answer to \(unit) has a loss of \(loss)")
    }
    var totals = Engine.Totals()
    (totals.loss, totals.correct, totals.count) = (loss, correct, count)
    return totals
  }

  func beginEpoch() {
    ledger.began = now
    // A checkpoint may lie between the last step and the validation.
    if ledger.steps == job.schedule.stepsPerEpoch { ledger.trained = now }
    ledger.bytesReceived = links.bytesReceived
    ledger.bytesSent = links.bytesSent
  }

  /// Applies the average of an update's gradients.
  func apply(_ update: Int, _ steps: Range<Int>) -> [CoordinatorAction] {
    guard learner.isComplete else { return [] }
    let isFinite = learner.applyUpdate()
    published = nil
    guard isFinite else {
      unwritten = "the weights are no longer finite after update \(update + 1)"
      return rules.overflowed(update)
    }
    ledger.commitUpdate()
    if job.schedule.endsEpoch(update) { ledger.trained = now }
    let actions = rules.updateApplied(now: now)
    writeCheckpointIfDue()
    return actions
  }

  /// Makes the weights those of the newest checkpoint that is not after `update`, or of the start,
  /// and forgets all that came later; nothing but the update under way where that is `update` and
  /// its weights are still there.
  func goBack(before update: Int) -> [CoordinatorAction] {
    learner.forgetGradients()
    published = nil
    ledger.update = []
    var position = position
    if update < position.updates || unwritten != nil {
      checkpoints.wait()
      do {
        let file = try store.goBack(before: update)
        position = file?.position ?? RunPosition()
        learner.rollBack(to: file?.state)
        ledger = EpochTotals(at: position)
        beginEpoch()
        lastCheckpoint = (now, position.updates)
        unwritten = nil
      } catch {
        // What is in the folder holds errors: no checkpoint may be added to it.
        unwritten = "\(error)"
        let mayPass = error is MemoryError || (error as? FileError)?.mayPass == true
        return rules.failed(
          mayPass
            ? .cutShort("the run cannot go back to before a worker's errors now: \(error)")
            : .failed("the run cannot go back to before a worker's errors, begin it anew: \(error)")
        )
      }
    }
    note(.rolledBack(updates: position.updates))
    return rules.wentBack(toUpdate: position.updates, epochs: position.epochs, now: now)
  }

  func tellProgress() {
    let (steps, totals) = ledger.soFar()
    let means = totals.means
    let pace = ledger.pace(now: now)
    let perStep = Double(totals.count) / Double(max(steps, 1))
    let left = Double(job.schedule.stepsPerEpoch - steps) * perStep
    report(
      .progress(
        TrainingProgress(
          epoch: rules.epochsFinished + 1, epochs: job.schedule.epochs, steps: steps,
          stepsPerEpoch: job.schedule.stepsPerEpoch,
          validated: ledger.validation.count { $0 != nil },
          validationBatches: job.schedule.validationBatches, loss: means.loss,
          accuracy: means.accuracy, picturesPerSecond: pace,
          secondsLeft: pace > 0 ? left / pace : nil, workers: rules.readyWorkers)))
  }

  /// Writes an epoch (counted from 0) down and begins the next one's ledger.
  func finishEpoch(_ epoch: Int) -> [CoordinatorAction] {
    var validation = Engine.Totals()
    for totals in ledger.validation { validation += totals ?? Engine.Totals() }
    let end = now
    let record = EpochRecord(
      epoch: epoch + 1, loss: ledger.training.means.loss,
      accuracy: ledger.training.means.accuracy, validationLoss: validation.means.loss,
      validationAccuracy: validation.means.accuracy,
      seconds: ledger.seconds(now: end),
      picturesPerSecond: ledger.pace(now: end),
      bytesReceived: links.bytesReceived - ledger.bytesReceived,
      bytesSent: links.bytesSent - ledger.bytesSent)
    ledger = EpochTotals(at: RunPosition())
    beginEpoch()
    do {
      try store.append(record)
    } catch {
      // After the last epoch the rules are over: `end` says it then. The checkpoint before leads
      // to this epoch again.
      unwritten = "\(error)"
      return rules.failed(.cutShort("\(error)"))
    }
    store.record(Event(.epoch, epoch: epoch + 1, updates: rules.updatesApplied))
    report(.epoch(record))
    writeCheckpoint()
    tryTo { try store.drawCurves() }
    return []
  }

  /// Ends the run: writes what it leaves behind and lets the workers go.
  func end(_ ending: RunEnding) -> RunEnding {
    var ending = ending
    checkpoints.wait()
    switch ending {
    case .finished:
      do {
        try store.writeModel(modelFile(position: nil).finite())
        store.record(
          Event(.finished, updates: rules.updatesApplied, digest: learner.digest.description))
        if let unwritten { ending = .cutShort(unwritten) }
      } catch let error as NotFinite {
        ending = .failed("\(error)")
      } catch {
        ending = .cutShort("\(error)")
      }
    case .interrupted where unwritten != nil, .failed where unwritten != nil,
      .cutShort where unwritten != nil:
      // A checkpoint after an epoch that is not in the history would lose it for good, and one of
      // weights with errors would keep them.
      if ending == .interrupted { ending = .cutShort(unwritten ?? "") }
    case .interrupted, .failed, .cutShort:
      do {
        try store.writeCheckpoint(modelFile(position: position).finite())
        store.record(
          Event(
            .checkpoint, updates: rules.updatesApplied, digest: learner.digest.description))
      } catch {
        if ending == .interrupted {
          ending = .cutShort(
            "interrupted without a new checkpoint; --resume goes on from the one before: \(error)")
        }
      }
    }
    if let reason = ending.reason { store.record(Event(.failure, reason: reason)) }
    // Who connected just now has not come to the rules yet.
    var peers = rules.peers
    while let input = mailbox.next(timeout: .zero) {
      switch input {
      case .opened(let peer, _): peers.append(peer)
      case .checkpointFailed(let reason): note(.failure(worker: nil, reason: reason))
      default: break
      }
    }
    sayLeftOut(isLast: true)
    for peer in peers {
      if let reason = ending.reason {
        links.send(.refuse(reason: "the run has failed: \(reason)"), to: peer)
      } else {
        links.send(.finished, to: peer)
      }
      links.close(peer)
    }
    return ending
  }

  /// Begins to write a checkpoint where `--checkpoint-every` says so and there is time for it.
  private func writeCheckpointIfDue() {
    let isDue: Bool =
      switch options.checkpointEvery {
      case .updates(let count): rules.updatesApplied - lastCheckpoint.updates >= count
      case .seconds(let seconds): now - lastCheckpoint.time >= .seconds(seconds)
      case nil: false
      }
    if isDue, checkpoints.hasTime(now - lastCheckpoint.time) { writeCheckpoint() }
  }

  /// Begins to write a checkpoint.
  private func writeCheckpoint() {
    lastCheckpoint = (now, rules.updatesApplied)
    let (store, mailbox, updates) = (store, mailbox, rules.updatesApplied)
    checkpoints.write(modelFile(position: position)) { result in
      switch result {
      case .success(let digest):
        store.record(Event(.checkpoint, updates: updates, digest: digest.description))
      case .failure(let error): mailbox.put(.checkpointFailed("\(error)"))
      }
    }
  }

  private var position: RunPosition {
    RunPosition(
      run: job.digest, epochs: rules.epochsFinished, steps: ledger.steps,
      updates: rules.updatesApplied, loss: ledger.training.loss,
      correct: ledger.training.correct, count: ledger.training.count,
      seconds: ledger.seconds(now: now), trainingSeconds: ledger.trainingSeconds(now: now))
  }

  private func modelFile(position: RunPosition?) -> ModelFile {
    ModelFile(
      architecture: job.architecture, state: learner.state,
      optimizer: job.hyperparameters.optimizer, classes: job.manifest.classes,
      pictures: job.hyperparameters.pictures,
      position: position)
  }

  /// Does what the run can go on without, and says so where it fails.
  private func tryTo(_ body: () throws -> Void) {
    do {
      try body()
    } catch {
      note(.failure(worker: nil, reason: "\(error)"))
    }
  }
}
