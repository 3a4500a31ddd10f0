import Coordination
import Engine
import KerasFiles
import Pictures

/// How the learning rate changes during a run.
public enum RateSchedule: String, Codable, CaseIterable, Sendable {
  /// It does not.
  case constant
  /// It is multiplied by a factor after every so many epochs.
  case step
  /// It falls to zero as half a cosine does, from update to update.
  case cosine
  /// It is multiplied by a factor where the validation loss has not fallen for so many epochs.
  case plateau
}

/// How the learning rate grows with U, the steps of an update.
public enum RateScaling: String, Codable, CaseIterable, Sendable {
  /// Not at all.
  case none
  /// With the root of U.
  case sqrt
  /// With U.
  case linear
}

extension Hyperparameters {
  /// The part of `table` that says how the learning rate changes, and when the run ends.
  static let scheduling: [Hyperparameter] = [
    .init(
      "schedule", \.rateSchedule,
      help: "How the learning rate falls: constant, step (by --decay-factor after every "
        + "--decay-epochs), cosine (to 0 at the run's end), or plateau (by --decay-factor where "
        + "validation loss has not fallen for --decay-epochs)", writesDefault: false),
    .init(
      "decay-epochs", \.decayEpochs, help: "Epochs of --schedule step or plateau",
      bounds: .from1(to: 1_000_000), writesDefault: false),
    .init(
      "decay-factor", \.decayFactor, help: "The factor of --schedule step or plateau",
      bounds: .init(description: "above 0 and below 1") { $0 > 0 && $0 < 1 }, writesDefault: false),
    .init(
      "warm-up", \.warmUp,
      help: "Epochs in which the learning rate grows from 0, update by update",
      bounds: .from0(to: 1_000_000), writesDefault: false),
    .init(
      "scale-rate", \.rateScaling,
      help: "What the learning rate is multiplied by: none, sqrt or linear, the root of U or U, "
        + "the batches of an update",
      defaultText: "linear where --workers N chooses U, else none", writesDefault: false),
    .init(
      "early-stopping", \.earlyStopping,
      help: "End the run where validation loss has not fallen for so many epochs",
      defaultText: "never", bounds: .from0(to: 1_000_000), writesDefault: false),
  ]

  /// The learning rate of an update: `learningRate` itself where nothing changes it.
  ///
  /// As Keras's `CosineDecay` with a warm-up has it, `ExponentialDecay` in stairs and
  /// `ReduceLROnPlateau`, in doubles.
  /// - Parameters:
  ///   - update: counted from 0 over the run.
  ///   - reductions: how often a plateau reduced the rate.
  public func rate(ofUpdate update: Int, _ schedule: Schedule, reductions: Int) -> Float {
    var rate = Double(learningRate)
    switch rateScaling {
    case .none: break
    case .sqrt: rate *= Double(batchesPerUpdate).squareRoot()
    case .linear: rate *= Double(batchesPerUpdate)
    }
    let warm = warmUp * schedule.updatesPerEpoch
    guard update >= warm else { return Float(rate * Double(update) / Double(warm)) }
    switch rateSchedule {
    case .constant: break
    case .step: rate *= decayed(times: schedule.epoch(ofUpdate: update) / decayEpochs)
    case .plateau: rate *= decayed(times: reductions)
    case .cosine:
      let done = Double(update - warm) / Double(max(1, schedule.updates - warm))
      rate *= 0.5 * (1 + Trigonometry.sineAndCosine(degrees: 180 * done).cosine)
    }
    return Float(rate)
  }

  private func decayed(times: Int) -> Double {
    (0..<times).reduce(1) { factor, _ in factor * Double(decayFactor) }
  }

  /// Takes what an epoch's validation came to.
  ///
  /// As Keras's `ReduceLROnPlateau` and `EarlyStopping` with their defaults: a loss that is lower
  /// by less than 1e-4 does not keep the learning rate up.
  public func take(validationLoss loss: Double, into progress: inout ValidationProgress) {
    if rateSchedule == .plateau,
      progress.plateau.runsOut(loss, change: 1e-4, patience: decayEpochs)
    {
      progress.reductions += 1
    }
    if earlyStopping > 0, progress.stopping.runsOut(loss, change: 0, patience: earlyStopping) {
      progress.isOver = true
    }
  }

  /// Whether anything follows from an epoch's validation loss.
  public var watchesValidation: Bool { rateSchedule == .plateau || earlyStopping > 0 }

  /// Whether the learning rate is not the same in all updates.
  public var changesRate: Bool { rateSchedule != .constant || warmUp > 0 }

  /// A line for each value that does nothing in a run of so many epochs.
  ///
  /// - Parameter isGiven: as for `unusedSettings`.
  func unusedSchedule(
    isGiven: ((PartialKeyPath<Hyperparameters>) -> Bool)? = nil
  ) -> [String] {
    let standard = Hyperparameters()
    var problems: [String] = []
    let decays = rateSchedule == .step || rateSchedule == .plateau
    let wanted = [
      ("--decay-epochs", isGiven?(\.decayEpochs) ?? (decayEpochs != standard.decayEpochs)),
      ("--decay-factor", isGiven?(\.decayFactor) ?? (decayFactor != standard.decayFactor)),
    ]
    for (name, isWanted) in wanted where isWanted && !decays {
      problems.append("\(name) is for --schedule step or plateau, not \(rateSchedule)")
    }
    let spans = [
      ("--warm-up", warmUp, true), ("--decay-epochs", decayEpochs, decays),
      ("--early-stopping", earlyStopping, true),
    ]
    for (name, span, isUsed) in spans where isUsed && span >= epochs {
      problems.append(
        "\(name) \(span) is as long as the run, --epochs \(epochs): choose fewer, or more epochs")
    }
    return problems
  }
}
