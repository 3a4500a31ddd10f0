import Coordination
import Engine
import KerasFiles
import Primitives
import Wire

/// What a run has learnt, and the gradients that it learns from next.
///
/// Not thread-safe.
final class Learner {
  let weights: ParameterBuffer
  /// RMSprop's running mean of squared gradients.
  let average: ParameterBuffer
  /// Updates that are in the weights.
  private(set) var updates: Int
  private let job: TrainingJob
  private let updater: Updater
  private var pool: BufferPool
  /// The gradients of the update under way; nil where none has come.
  private var tree: GradientTree?
  /// The present weights as a body, once somebody needed it.
  private var encoded: (digest: Digest, body: Body)?

  /// - Parameter checkpoint: goes on from there; its buffers are the learner's from now on.
  /// - Throws: where the threads cannot be had.
  init(
    _ job: TrainingJob, checkpoint: ModelFile?, threads: Int, kernels: KernelSet
  ) throws(ThreadError) {
    self.job = job
    updater = try Updater(job.gradients, threads: threads, kernels: kernels)
    pool = BufferPool(job.gradients.buffer)
    let layout = job.architecture.parameters
    if let checkpoint {
      weights = checkpoint.weights
      average = checkpoint.average ?? ParameterBuffer(layout)
    } else {
      weights = ParameterBuffer(layout)
      weights.initialize(seed: job.hyperparameters.seed)
      average = ParameterBuffer(layout)
    }
    updates = checkpoint?.position?.updates ?? 0
  }

  /// Gradients that there is memory for.
  var gradientBuffers: Int { pool.count }

  /// The present weights, as they travel.
  /// - Throws: `WireError`: there is no memory.
  func body(_ form: BodyForm) throws -> (digest: Digest, body: Body) {
    if let encoded { return encoded }
    let new: (Digest, Body) =
      switch form {
      case .encoded: (weights.digest, try TensorCoding.encode(weights))
      // Nothing travels that could be damaged: no digest, which takes a millisecond.
      case .local: (.ofNothing, .local(weights))
      }
    encoded = new
    return new
  }

  /// The gradient that came with an answer.
  /// - Throws: `AnswerFault` where it is damaged, or not finite although its loss is.
  func gradient(
    of unit: WorkUnit, _ header: GradientHeader, _ body: Body
  ) throws(AnswerFault) -> StepGradient {
    let buffer: ParameterBuffer
    if case .local(let local) = body {
      buffer = local
    } else {
      buffer = pool.take()
      do { try TensorCoding.decode(body, into: buffer) } catch { throw .damaged("\(error)") }
      guard buffer.digest == header.digest else {
        throw .damaged("the digest of its gradient of \(unit) is not the one it names")
      }
    }
    // A worker says so itself, by its loss.
    guard buffer.isFinite || !header.loss.isFinite else {
      throw .impossible(
        "its gradient of \(unit) is not finite, though its loss is: its memory or "
          + "its processor makes errors")
    }
    return StepGradient(buffer, pictures: header.count)
  }

  /// Adds a gradient to the sum of an update of `count` steps.
  func add(_ gradient: StepGradient, at place: Int, of count: Int) {
    if tree == nil { tree = GradientTree(count: count) }
    tree?.insert(gradient, at: place, using: updater)
  }

  /// Applies the average of the gradients, which must all be there.
  /// - Parameter pictures: of all of them.
  /// - Returns: whether the weights are finite now.
  func applyUpdate(pictures: Int) -> Bool {
    defer { (tree, encoded) = (nil, nil) }
    updates += 1
    return tree?.apply(
      job.hyperparameters.optimizer, weights: weights, average: average, pictures: pictures,
      using: updater) ?? false
  }

  /// Forgets the gradients of the update under way.
  func discardGradients() { tree = nil }

  /// Goes back to a checkpoint, or, without one, to the start.
  func restore(_ checkpoint: ModelFile?) {
    (tree, encoded) = (nil, nil)
    updates = checkpoint?.position?.updates ?? 0
    if let checkpoint, let fileAverage = checkpoint.average {
      weights.copy(from: checkpoint.weights)
      average.copy(from: fileAverage)
    } else {
      weights.initialize(seed: job.hyperparameters.seed)
      average.copy(from: ParameterBuffer(average.layout))
    }
  }

  /// What a file of the present state holds.
  func modelFile(at position: RunPosition?) -> ModelFile {
    ModelFile(
      architecture: job.architecture, weights: weights, average: average,
      optimizer: job.hyperparameters.optimizer, iterations: updates,
      classes: job.manifest.classes, pictures: job.hyperparameters.pictures, position: position)
  }
}
