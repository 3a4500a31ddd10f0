import Coordination
import Engine
import KerasFiles
import Pictures

/// All that, with the data set, the model and the seed, decides the trained weights.
///
/// The defaults are those of F. Chollet, Deep Learning with Python, section 5.2. What else belongs
/// to a value, its option, its check and its key in `run.json`, stands once in `table`.
public struct Hyperparameters: Hashable, Sendable {
  /// Passes of `stepsPerEpoch` steps, each followed by a validation.
  public var epochs = 30
  /// Batches whose gradients are computed in one epoch.
  public var stepsPerEpoch = 100
  /// Pictures of one step.
  public var batchSize = 20
  /// Batches of one validation; fewer where the set has fewer.
  public var validationSteps = 50
  /// What makes new weights of gradients.
  public var optimizerName = OptimizerName(type(of: Optimizers.standard))
  /// The optimizer's step size.
  public var learningRate: Float = 1e-4
  /// RMSprop's decay of the second moment.
  public var rho: Float = 0.9
  /// What SGD and RMSprop keep of the step before.
  public var momentum: Float = 0
  /// Whether SGD's momentum is Nesterov's.
  public var nesterov = false
  /// Whether RMSprop divides by the gradients' deviation.
  public var centered = false
  /// Adam's decay of the first moment.
  public var beta1: Float = 0.9
  /// Adam's decay of the second moment.
  public var beta2: Float = 0.999
  /// AdamW's decay of the weights.
  public var decoupledWeightDecay: Float = 0.004
  /// The term beside the square root that every optimizer but SGD has.
  public var epsilon: Float = 1e-7
  /// How the learning rate changes.
  public var rateSchedule = RateSchedule.constant
  /// Epochs between two decays of the rate, or without progress before one.
  public var decayEpochs = 10
  /// What a decay leaves of the rate.
  public var decayFactor: Float = 0.5
  /// Epochs in which the rate grows from 0.
  public var warmUp = 0
  /// How the rate grows with U.
  public var rateScaling = RateScaling.none
  /// Epochs without progress after which the run ends; 0 for never.
  public var earlyStopping = 0
  /// By which figure the best epoch is chosen.
  public var best = BestMeasure.loss
  /// What dropout before the classifier drops.
  public var dropout: Float = 0
  /// The factor of the squares of all kernels' weights in the loss.
  public var weightDecay: Float = 0
  /// What of each label is spread over all classes.
  public var labelSmoothing: Float = 0
  /// What the losses of each class's training pictures count.
  public var classWeights = ClassWeights.equal
  /// The random seed: the key of every draw.
  public var seed: UInt64 = 1
  /// U: steps whose gradients are averaged into one update.
  public var batchesPerUpdate = 1
  /// How pictures are brought to the model's size.
  public var interpolation = Interpolation.nearest
  /// How JPEGs are decoded.
  public var decode = PictureSettings.Decoding.exact

  /// How training pictures are changed at random.
  public var augmentation = Augmentation()

  /// The book's values.
  public init() {}

  /// How a JPEG becomes a picture.
  public var pictures: PictureSettings {
    PictureSettings(decoding: decode, interpolation: interpolation)
  }

  /// Checks every value by itself, and whether each is used.
  /// - Parameter isGiven: as for `unusedSettings`.
  /// - Throws: `HyperparameterError` with one line a problem.
  public func validate(
    isGiven: ((PartialKeyPath<Hyperparameters>) -> Bool)? = nil
  ) throws {
    var problems = Self.table.compactMap { $0.problem(in: self) }
    if problems.isEmpty {
      problems = unusedSettings(isGiven: isGiven) + unusedSchedule(isGiven: isGiven)
    }
    if augmentation.fillMode != .nearest, !augmentation.movesPixels {
      problems.append(
        "--fill-mode \(augmentation.fillMode) fills nothing: it needs --rotation, --width-shift, "
          + "--height-shift, --shear or --zoom")
    }
    if augmentation.keepsAspect, augmentation.zoom.isOne {
      problems.append("--keep-aspect changes nothing: it needs --zoom")
    }
    if !problems.isEmpty { throw HyperparameterError(problems: problems) }
  }

  /// `--seed 1 (not 2)` for each value that is 1 in `other` and 2 here.
  public func differences(from other: Hyperparameters) -> [String] {
    Self.table.compactMap { $0.difference(self, from: other) }
  }

  /// Updates of an epoch; the last one averages what is left of its steps.
  public var updatesPerEpoch: Int { (stepsPerEpoch + batchesPerUpdate - 1) / batchesPerUpdate }

  /// Whether a run of these values can have come as far as `position` says.
  public func allow(_ position: RunPosition) -> Bool {
    let schedule = Schedule(
      epochs: epochs, stepsPerEpoch: stepsPerEpoch, batchesPerUpdate: batchesPerUpdate,
      validationBatches: validationSteps)
    guard (0...epochs).contains(position.epochs), (0...stepsPerEpoch).contains(position.steps),
      (0...position.steps * batchSize).contains(position.count),
      (0...position.count).contains(position.correct)
    else { return false }
    let updates = (position.steps + batchesPerUpdate - 1) / batchesPerUpdate
    return position.updates == position.epochs * schedule.updatesPerEpoch + updates
  }

  /// Checks the values against the size of a training set.
  /// - Throws: `HyperparameterError` where a batch is larger than the set.
  public func validate(trainingPictures: Int) throws {
    try validate()
    guard batchSize > trainingPictures else { return }
    throw HyperparameterError(problems: [
      "--batch-size \(batchSize) is larger than the training set: choose at most "
        + "\(trainingPictures)"
    ])
  }
}

/// Values that no run can have.
public struct HyperparameterError: Error, CustomStringConvertible {
  /// One clear line a problem.
  public let problems: [String]
  /// An error of these problems.
  public init(problems: [String]) { self.problems = problems }
  /// The problems in one line.
  public var description: String { problems.joined(separator: "; ") }
}
