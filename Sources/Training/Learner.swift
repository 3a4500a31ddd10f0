import Engine
import Primitives

/// What a run learns, and what it learns it with: the state, the gradients of the update under way,
/// and the threads that sum and apply them.
///
/// It decides nothing: whoever drives it says which gradient goes where, when the update is
/// applied, and to which state the run rolls back. Not thread-safe.
package struct Learner {
  /// What the run has learnt so far; nobody else writes to its buffers.
  package private(set) var state: ModelState
  private let optimizer: any Optimizer
  private let seed: UInt64
  /// What the run begins with; nil where that is drawn.
  private let start: ParameterBuffer?
  /// Computes its sums.
  package let updater: Updater
  private var gradients: BufferPool
  /// Nil until the update's first gradient is there.
  private var tree: GradientTree?

  /// - Parameters:
  ///   - state: goes on from there, with these buffers; nil for the start of the run.
  ///   - threads: of an update.
  ///   - kernels: the instruction set of an update.
  /// - Throws: where the threads cannot be had.
  package init(
    _ job: TrainingJob, from state: ModelState?, threads: Int, kernels: KernelSet
  ) throws(ThreadError) {
    optimizer = job.hyperparameters.optimizer
    seed = job.hyperparameters.seed
    start = job.start
    let steps = max(Updater.gradientsAtOnce, job.schedule.batchesPerUpdate)
    updater = try Updater(job.gradients, steps: steps, threads: threads, kernels: kernels)
    gradients = BufferPool(job.gradients.buffer)
    if let state {
      precondition(state.suits(optimizer))
      self.state = state
    } else {
      self.state = ModelState(job.architecture.parameters, optimizer: optimizer)
      begin()
    }
  }

  private mutating func begin() {
    if let start { state.initialize(weights: start) } else { state.initialize(seed: seed) }
  }

  /// The digest of the present weights.
  package var digest: Digest { state.digest }

  /// Gradients that there is memory for.
  package var gradientBuffers: Int { gradients.count }

  /// A buffer for a gradient that arrives, of whatever contents; free again once nobody holds it.
  package mutating func gradientBuffer() -> ParameterBuffer { gradients.take() }

  /// Takes the gradients of a unit's steps, each once.
  ///
  /// - Parameters:
  ///   - gradients: nobody may write to them any more. Of several, what is not per step is summed
  ///     in the first.
  ///   - place: the first step's in the update, from 0 to `count` - 1.
  ///   - count: steps of the update.
  package mutating func take(_ gradients: [StepGradient], at place: Int, of count: Int) {
    if tree == nil { tree = GradientTree(count: count) }
    let updater = updater
    tree?.insert(gradients, at: place, using: updater)
  }

  /// Applies the mean of the update's gradients, all of which must be there, and begins the next
  /// update.
  /// - Parameter rate: the learning rate; nil for the optimizer's own.
  /// - Returns: whether all numbers of the state are finite now.
  package mutating func applyUpdate(rate: Float? = nil) -> Bool {
    guard let tree else { preconditionFailure("an update without gradients") }
    self.tree = nil
    var optimizer = optimizer
    if let rate { optimizer.learningRate = rate }
    return tree.apply(optimizer, to: &state, using: updater)
  }

  /// Forgets the gradients of the update under way.
  package mutating func forgetGradients() { tree = nil }

  /// Makes the state a copy of an earlier one, nil for the start of the run, and forgets the
  /// gradients of the update under way.
  package mutating func rollBack(to earlier: ModelState?) {
    forgetGradients()
    if let earlier {
      state.copy(from: earlier)
    } else {
      begin()
    }
  }
}
