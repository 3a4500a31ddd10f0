import Engine
import Primitives

/// The training pictures of each step, changed as an `Augmentation` says.
///
/// It stands between a `PictureStore`, which keeps the pictures as they are, and the engine.
/// Threads of its own make the pictures of steps that come soon; a caller makes what is not there
/// yet. Where nothing is changed it has no threads, and passes pictures on. Thread-safe.
public final class AugmentedStore: Sendable {
  private let store: PictureStore
  private let plan: AugmentationPlan
  /// Nil where nothing is changed.
  private let core: AugmentationQueue?

  /// - Parameters:
  ///   - store: the training pictures; each is of `decoder`'s size.
  ///   - seed: of the run.
  ///   - batchSize: pictures of a full batch, at least 1: with it a step's pass is known.
  ///   - threads: that work ahead; with 0 only callers do.
  /// - Throws: where the threads cannot be had.
  public init(
    _ store: PictureStore, _ augmentation: Augmentation, seed: UInt64, batchSize: Int,
    threads: Int
  ) throws(ThreadError) {
    self.store = store
    plan = AugmentationPlan(
      settings: augmentation, seed: seed, count: store.entries.count, batchSize: batchSize)
    core = augmentation.isNone ? nil : AugmentationQueue(store, plan)
    try core?.start(threads: threads)
  }

  deinit { core?.stop() }

  /// The pictures' entries.
  public var entries: [ManifestEntry] { store.entries }

  /// Starts making the pictures of a step, and returns at once.
  /// - Parameter indices: below the number of `entries`.
  public func prefetch(_ indices: [Int], step: Int) {
    store.prefetch(indices)
    core?.add(indices, step: step)
  }

  /// The pictures of a step, in their order, with their labels; makes those that are not there.
  /// - Parameter indices: below the number of `entries`.
  /// - Throws: the `PictureError` of the first that cannot be had.
  public func batch(_ indices: [Int], step: Int) throws(PictureError) -> Batch {
    guard let core else { return try store.batch(indices) }
    var pictures: [DecodedPicture] = []
    for result in core.collect(indices, step: step) { pictures.append(try result.get()) }
    return Batch(
      pictures: pictures.map(\.bytes), labels: indices.map { entries[$0].label },
      owners: pictures)
  }
}

/// Which change each picture of a step gets: a function of the run and the step alone.
struct AugmentationPlan: Sendable {
  let settings: Augmentation
  let seed: UInt64
  /// Training pictures.
  let count: Int
  let batchSize: Int

  func transform(
    of picture: Int, step: Int, height: Int, width: Int
  ) -> PictureTransform {
    let pass = BatchPlan.place(of: step, count: max(1, count), batchSize: batchSize).pass
    return PictureTransform(
      settings, seed: seed, pass: pass, picture: picture, height: height, width: width)
  }
}
