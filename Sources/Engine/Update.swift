// What the coordinator computes: sums of gradients and RMSprop's update. Element by element, so the
// bits do not depend on how the elements are cut into jobs.

import KernelInterface
import Primitives
import Synchronization

/// Sums gradients and updates weights, on some threads.
///
/// Not thread-safe: one caller at a time.
public final class Updater {
  private let pool: ThreadPool
  private let kernels: any KernelOperations.Type
  private let gradients: GradientSum
  /// Whether the update under way left only finite numbers so far.
  private let isFinite = Atomic<Bool>(true)

  /// The most gradients of steps that `sum` and `apply` take at once.
  ///
  /// It is a power of two: sums of so many are nodes of the tree over any number.
  public static let gradientsAtOnce = GradientSum.most

  /// The gradients that it takes.
  public let layout: GradientLayout

  /// Floats of one job of `add` and of an update by a sum: 256 KiB of each operand.
  private static let floatsPerJob = 1 << 16

  /// - Parameters:
  ///   - layout: of the steps' gradients.
  ///   - threads: how many compute, the caller's included.
  ///   - kernels: one of `KernelSet.available`.
  /// - Throws: where the threads cannot be had.
  public init(
    _ layout: GradientLayout, threads: Int = 1, kernels: KernelSet
  ) throws(ThreadError) {
    self.layout = layout
    pool = try ThreadPool(threads: threads)
    self.kernels = kernels.operations
    gradients = GradientSum(layout, threads: pool.threads)
  }

  /// sum = the gradients of at most `gradientsAtOnce` consecutive steps, in a tree over their
  /// places: each level pairs neighbours, an odd last one moves up as it is.
  /// - Parameter sum: in the parameters' layout; overwritten.
  public func sum(_ steps: [StepGradient], into sum: ParameterBuffer) {
    check(steps, sum)
    gradients.forEachRun(of: steps, pool, kernels) { parameter, sums, count in
      (sum.floats + parameter).update(from: sums, count: count)
    }
  }

  /// a += b, element by element; both in the parameters' layout.
  public func add(_ b: ParameterBuffer, to a: ParameterBuffer) {
    precondition(a.layout == b.layout)
    jobs(a) { kernels.sum(a.floats + $0, b.floats + $0, target: a.floats + $0, count: $1) }
  }

  /// One update by RMSprop from the gradients of consecutive steps, summed as `sum` does while a
  /// tile of them is in the cache.
  /// - Parameters:
  ///   - average: RMSprop's running mean of squared gradients.
  ///   - steps: at most `gradientsAtOnce`.
  /// - Returns: whether all weights and averages are finite numbers now.
  @discardableResult
  public func apply(
    _ optimizer: RMSprop, weights: ParameterBuffer, average: ParameterBuffer,
    steps: [StepGradient]
  ) -> Bool {
    check(steps, weights)
    precondition(weights.layout == average.layout)
    let scale = 1 / Float(steps.reduce(0) { $0 + $1.pictures })
    gradients.forEachRun(of: steps, pool, kernels) { parameter, sums, count in
      update(optimizer, weights, average, parameter, sums, count, scale)
    }
    return isFinite.exchange(true, ordering: .relaxed)
  }

  /// One update by RMSprop; all buffers in the parameters' layout.
  /// - Parameters:
  ///   - average: RMSprop's running mean of squared gradients.
  ///   - gradientSum: the gradient of the sum of the losses of `pictures` pictures.
  /// - Returns: whether all weights and averages are finite numbers now.
  @discardableResult
  public func apply(
    _ optimizer: RMSprop, weights: ParameterBuffer, average: ParameterBuffer,
    gradientSum: ParameterBuffer, pictures: Int
  ) -> Bool {
    precondition(weights.layout == average.layout && weights.layout == gradientSum.layout)
    let scale = 1 / Float(pictures)
    jobs(weights) {
      update(optimizer, weights, average, $0, gradientSum.floats + $0, $1, scale)
    }
    return isFinite.exchange(true, ordering: .relaxed)
  }

  private func update(
    _ optimizer: RMSprop, _ weights: ParameterBuffer, _ average: ParameterBuffer, _ first: Int,
    _ sums: Source, _ count: Int, _ scale: Float
  ) {
    let isFinite = kernels.updateRMSprop(
      weights: weights.floats + first, secondMoment: average.floats + first, gradient: sums,
      count: count, scale: scale, learningRate: optimizer.learningRate, rho: optimizer.rho,
      epsilon: optimizer.epsilon)
    if !isFinite { self.isFinite.store(false, ordering: .relaxed) }
  }

  private func check(_ steps: [StepGradient], _ parameters: ParameterBuffer) {
    precondition(
      parameters.layout == layout.parameters
        && steps.allSatisfy {
          $0.buffer.layout == layout.buffer && (1...layout.batch).contains($0.pictures)
        })
  }

  private func jobs(_ buffer: ParameterBuffer, _ body: (_ first: Int, _ count: Int) -> Void) {
    let (count, size) = (buffer.layout.bufferCount, Self.floatsPerJob)
    pool.run((count + size - 1) / size) { job, _ in
      body(job * size, min(size, count - job * size))
    }
  }
}

/// RMSprop as the book's Keras, version 2.2, computes it.
///
/// After G. Hinton, Neural Networks for Machine Learning, lecture 6.5; with g the mean gradient,
/// average = rho average + (1 - rho) g^2; weights -= learningRate g / (sqrt(average) + epsilon).
/// Keras 3 has epsilon inside the root.
public struct RMSprop: Hashable, Sendable {
  /// Step size.
  public var learningRate: Float
  /// Decay of the average of squared gradients.
  public var rho: Float
  /// Added after the square root.
  public var epsilon: Float

  /// The book's values.
  public init(learningRate: Float = 1e-4, rho: Float = 0.9, epsilon: Float = 1e-7) {
    self.learningRate = learningRate
    self.rho = rho
    self.epsilon = epsilon
  }
}
