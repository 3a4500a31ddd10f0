import Primitives
import Synchronization

/// Which pictures each step is given: a function of the counts, the batch size and the seed.
///
/// Steps are counted over the run. A pass takes every training picture once, in an order of its
/// own; where the batch size does not divide their number, the last batch of a pass is smaller.
public struct BatchPlan: Sendable {
  /// Training pictures.
  public let trainingCount: Int
  /// Pictures of a full batch.
  public let batchSize: Int
  private let validationOrder: [Int]
  private let passes: Passes

  /// A plan for sets of these sizes; `batchSize` is at least 1.
  public init(trainingCount: Int, validationCount: Int, batchSize: Int, seed: UInt64) {
    (self.trainingCount, self.batchSize) = (trainingCount, batchSize)
    passes = Passes(count: trainingCount, seed: seed)
    validationOrder = CounterRandom(seed: seed, purpose: .validationOrder)
      .permutation(validationCount)
  }

  /// Batches of one pass over the training pictures.
  public var batchesPerPass: Int { (trainingCount + batchSize - 1) / batchSize }

  /// Batches that hold all validation pictures once.
  public var validationBatches: Int { (validationOrder.count + batchSize - 1) / batchSize }

  /// The indices of the training pictures of `step`, counted from 0 over the whole run.
  public func training(step: Int) -> [Int] {
    guard trainingCount > 0 else { return [] }
    let (pass, batch) = Self.place(of: step, count: trainingCount, batchSize: batchSize)
    return Array(passes.order(of: pass)[range(batch, of: trainingCount)])
  }

  /// The pass over `count` training pictures that a step is of, and its batch in that pass.
  ///
  /// - Parameters:
  ///   - step: counted from 0 over the whole run.
  ///   - count: at least 1.
  static func place(of step: Int, count: Int, batchSize: Int) -> (pass: Int, batch: Int) {
    let (pass, batch) = step.quotientAndRemainder(dividingBy: (count + batchSize - 1) / batchSize)
    return (pass, batch)
  }

  /// The indices of the validation pictures of `batch`, 0 to `validationBatches` - 1; the same
  /// after every epoch.
  public func validation(batch: Int) -> [Int] {
    Array(validationOrder[range(batch, of: validationOrder.count)])
  }

  private func range(_ batch: Int, of count: Int) -> Range<Int> {
    min(batch * batchSize, count)..<min((batch + 1) * batchSize, count)
  }
}

/// The orders of the training pictures, which follow from the seed and the pass alone.
///
/// The steps of a pass are asked for one after the other: its order is made once and kept until
/// another pass is asked for.
private final class Passes: Sendable {
  private let count: Int
  private let seed: UInt64
  private let latest = Mutex<(pass: Int, order: [Int])?>(nil)

  init(count: Int, seed: UInt64) { (self.count, self.seed) = (count, seed) }

  func order(of pass: Int) -> [Int] {
    latest.withLock { latest in
      if let latest, latest.pass == pass { return latest.order }
      let order = CounterRandom(seed: seed, purpose: .trainingOrder, UInt64(pass))
        .permutation(count)
      latest = (pass, order)
      return order
    }
  }
}
