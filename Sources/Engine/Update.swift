// What the coordinator computes: sums of gradients and RMSprop's update. Element by element, so the
// bits do not depend on how the elements are cut into jobs.

/// Sums gradients and updates weights, on some threads.
///
/// Not thread-safe: one caller at a time.
public final class Updater {
  private let pool: ThreadPool
  private let kernels: KernelTable

  /// Floats of one job: 256 KiB of each operand.
  private static let floatsPerJob = 1 << 16

  /// - Parameters:
  ///   - threads: how many compute, the caller's included.
  ///   - kernels: one of `KernelSet.available`.
  public init(threads: Int = 1, kernels: KernelSet) {
    pool = ThreadPool(threads: threads)
    self.kernels = .of(kernels)
  }

  /// a += b, element by element; both of one layout.
  public func add(_ b: ParameterBuffer, to a: ParameterBuffer) {
    precondition(a.layout == b.layout)
    jobs(a) { kernels.add(b.floats + $0, a.floats + $0, $1) }
  }

  /// One update by RMSprop; all buffers of one layout.
  /// - Parameters:
  ///   - average: RMSprop's running mean of squared gradients.
  ///   - gradientSum: the gradient of the sum of the losses of `pictures` pictures.
  public func apply(
    _ optimizer: RMSprop, weights: ParameterBuffer, average: ParameterBuffer,
    gradientSum: ParameterBuffer, pictures: Int
  ) {
    precondition(weights.layout == average.layout && weights.layout == gradientSum.layout)
    let scale = 1 / Float(pictures)
    jobs(weights) {
      kernels.updateRMSprop(
        weights.floats + $0, average.floats + $0, gradientSum.floats + $0, $1, scale,
        optimizer.learningRate, optimizer.rho, optimizer.epsilon)
    }
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
