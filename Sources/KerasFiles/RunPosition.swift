import Primitives

/// How far a run has come: what a checkpoint holds beside the model.
public struct RunPosition: Hashable, Sendable, Codable {
  /// The run, by what decides its weights: `RunDescription.digest`.
  public var run: Digest
  /// Epochs that are over, validation included.
  public var epochs: Int
  /// Steps of the current epoch whose gradients are in the weights.
  public var steps: Int
  /// Updates applied since the run began.
  public var updates: Int
  /// Training loss of the current epoch, summed over its pictures so far.
  public var loss: Double
  /// Pictures of the current epoch rightly classified so far.
  public var correct: Int
  /// Pictures of the current epoch so far.
  public var count: Int
  /// Seconds that the current epoch has taken so far; nil in checkpoints that do not say.
  public var seconds: Double?
  /// Those of its seconds that went into training, not into validation; nil as `seconds`.
  public var trainingSeconds: Double?
  /// What follows from the validation of the epochs so far; nil where nothing does.
  public var progress: ValidationProgress?
  /// The best epoch of those so far; nil where none has been validated.
  public var best: BestEpoch?

  /// A position; the default is a run's start.
  public init(
    run: Digest = .ofNothing, epochs: Int = 0, steps: Int = 0, updates: Int = 0, loss: Double = 0,
    correct: Int = 0, count: Int = 0, seconds: Double? = nil, trainingSeconds: Double? = nil
  ) {
    self.run = run
    self.epochs = epochs
    self.steps = steps
    self.updates = updates
    self.loss = loss
    self.correct = correct
    self.count = count
    self.seconds = seconds
    self.trainingSeconds = trainingSeconds
  }
}
