// What the coordinator computes: sums of gradients, and the optimizer's update. Element by element,
// so the bits do not depend on how the elements are cut into jobs.

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

  /// The most gradients of steps that `sum` and `apply` take at once, where nobody asks for more.
  ///
  /// It is a power of two: sums of so many are nodes of the tree over any number.
  public static let gradientsAtOnce = 8

  /// The gradients that it takes.
  public let layout: GradientLayout

  /// Floats of one job of `add` and of an update by a sum: 256 KiB of each operand.
  private static let floatsPerJob = 1 << 16

  /// - Parameters:
  ///   - layout: of the steps' gradients.
  ///   - steps: the most gradients that are taken at once.
  ///   - threads: how many compute, the caller's included.
  ///   - kernels: one of `KernelSet.available`.
  /// - Throws: where the threads cannot be had.
  public init(
    _ layout: GradientLayout, steps: Int = gradientsAtOnce, threads: Int = 1, kernels: KernelSet
  ) throws(ThreadError) {
    self.layout = layout
    pool = try ThreadPool(threads: threads)
    self.kernels = kernels.operations
    gradients = GradientSum(layout, threads: pool.threads, most: steps)
  }

  /// sum = the gradients of at most `gradientsAtOnce` consecutive steps, in a `SumTree` over their
  /// places.
  /// - Parameters:
  ///   - wholes: in `layout.buffer`, the sums of all but the factors, where these were made before.
  ///   - sum: in the parameters' layout; overwritten.
  public func sum(
    _ steps: [StepGradient], wholes: ParameterBuffer? = nil, into sum: ParameterBuffer
  ) {
    check(steps, sum)
    gradients.forEachRun(of: steps, wholes: wholes, pool, kernels) { parameter, sums, count in
      (sum.floats + parameter).update(from: sums, count: count)
    }
  }

  /// sums = some floats of steps' gradients, none of a factor, in a `SumTree` over their places.
  ///
  /// On the caller's thread alone.
  /// - Parameters:
  ///   - floats: of `layout.buffer`, from a multiple of 16 on.
  ///   - sums: in `layout.buffer`; its `floats` are overwritten.
  public func sum(_ floats: Range<Int>, of steps: [StepGradient], into sums: ParameterBuffer) {
    precondition(sums.layout == layout.buffer)
    gradients.sum(floats, of: steps, into: sums, kernels)
  }

  /// a += b, element by element; both in the parameters' layout.
  public func add(_ b: ParameterBuffer, to a: ParameterBuffer) {
    precondition(a.layout == b.layout)
    jobs(a) { kernels.sum(a.floats + $0, b.floats + $0, target: a.floats + $0, count: $1) }
  }

  /// One update from the gradients of consecutive steps, summed as `sum` does while a tile of them
  /// is in the cache.
  /// - Parameters:
  ///   - steps: at most as many as the updater takes at once.
  ///   - wholes: in `layout.buffer`, the sums of all but the factors, where these were made before:
  ///     then only the factors of `steps` are read.
  /// - Returns: whether all numbers of the state are finite now.
  @discardableResult
  public func apply(
    _ optimizer: some Optimizer, to state: inout ModelState, steps: [StepGradient],
    wholes: ParameterBuffer? = nil
  ) -> Bool {
    check(steps, state.weights)
    let scale = 1 / Float(steps.reduce(0) { $0 + $1.pictures })
    let isFinite = apply(optimizer, to: &state) { update in
      gradients.forEachRun(of: steps, wholes: wholes, pool, kernels) { update($0, $1, $2, scale) }
    }
    guard !state.layout.statistics.isEmpty else { return isFinite }
    return move(steps.map(layout.statistics), in: state) && isFinite
  }

  /// One update from a sum in the parameters' layout.
  /// - Parameters:
  ///   - gradientSum: the gradient of the sum of the losses of `pictures` pictures.
  ///   - statistics: of each step, as `GradientLayout.statistics` has them, in the steps' order.
  /// - Returns: whether all numbers of the state are finite now.
  @discardableResult
  public func apply(
    _ optimizer: some Optimizer, to state: inout ModelState, gradientSum: ParameterBuffer,
    pictures: Int, statistics: [[Float]] = []
  ) -> Bool {
    precondition(state.layout == gradientSum.layout)
    let scale = 1 / Float(pictures)
    let isFinite = apply(optimizer, to: &state) { update in
      jobs(gradientSum) { update($0, gradientSum.floats + $0, $1, scale) }
    }
    return move(statistics, in: state) && isFinite
  }

  /// Moves the moving statistics by those of each step, in their order: m becomes momentum m +
  /// (1 - momentum) s.
  /// - Returns: whether all of them are finite now.
  private func move(_ steps: [[Float]], in state: ModelState) -> Bool {
    var place = 0
    var isFinite = true
    for tensor in state.layout.statistics {
      defer { place += tensor.count }
      guard !tensor.rule.isFrozen(inUpdate: state.updates - 1) else { continue }
      let (moving, momentum) = (state.weights[tensor], tensor.momentum ?? 1)
      let rest = complement(momentum)
      for step in steps {
        for i in moving.indices { moving[i] = momentum * moving[i] + rest * step[place + i] }
      }
      isFinite = isFinite && moving.allSatisfy(\.isFinite)
    }
    return isFinite
  }

  /// - Parameter forEachTile: hands out every weight once: the first one's offset, the sums of
  ///   their gradients, their number, and what makes the mean of a sum.
  private func apply<Rule: Optimizer>(
    _ optimizer: Rule, to state: inout ModelState,
    _ forEachTile: ((_ first: Int, Source, _ count: Int, _ scale: Float) -> Void) -> Void
  ) -> Bool {
    precondition(state.suits(optimizer))
    state.updates += 1
    let state = state
    forEachTile { first, sums, count, scale in
      for (floats, rule) in state.layout.rules {
        let own = floats.clamped(to: first..<first + count)
        guard !own.isEmpty, !rule.isFrozen(inUpdate: state.updates - 1) else { continue }
        let tile = UpdateTile(
          of: state, first: own.lowerBound, count: own.count,
          gradientSum: sums + (own.lowerBound - first), scale: scale, rule: rule,
          kernels: kernels)
        var optimizer = optimizer
        optimizer.learningRate *= rule.rate
        if !optimizer.update(tile) { isFinite.store(false, ordering: .relaxed) }
      }
    }
    return isFinite.exchange(true, ordering: .relaxed)
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
