import KernelInterface
import Primitives

/// Computes with one model: gradients, losses and probabilities.
///
/// Not thread-safe: one caller at a time. Inside a call it uses `threads` threads; no result
/// depends on how many, nor on the instruction set. All buffers are planned by the initializer.
public final class Engine {
  /// What a batch came to: sums over its pictures.
  public struct Totals: Sendable, Equatable {
    /// The model's loss, summed over the pictures.
    public var loss: Double = 0
    /// Pictures whose class is the most probable one.
    public var correct = 0
    /// Pictures whose class is among the five most probable: of an evaluation with more than five
    /// classes, else 0.
    public var amongFive = 0
    /// Pictures.
    public var count = 0

    /// No pictures.
    public init() {}

    /// Sums; add batches in one fixed order: floating-point addition is not associative.
    public static func += (a: inout Totals, b: Totals) {
      a.loss += b.loss
      a.correct += b.correct
      a.amongFive += b.amongFive
      a.count += b.count
    }
  }

  /// The model.
  public let architecture: Architecture
  /// The most pictures of one call.
  public let batchCapacity: Int
  /// The instruction set it computes with.
  public let kernelSet: KernelSet

  /// The buffers that `gradient` fills.
  public let gradientLayout: GradientLayout

  /// The time that each stage of the model took since `startProfile`.
  public private(set) var profile: [StageTime] = []

  /// The bytes of the buffers that an engine of a model plans, without making one: they are counted
  /// where they would be allocated.
  public static func memory(
    _ architecture: Architecture, batchCapacity: Int, stepSize: Int? = nil, threads: Int
  ) -> Int {
    let memory = PlanMemory(onlyCounts: true)
    _ = plan(
      architecture,
      GradientLayout(architecture.parameters, batch: max(stepSize ?? 0, batchCapacity)),
      batch: batchCapacity, threads: threads, memory)
    return memory.bytes
  }

  /// Multiply-adds of a picture in a training step, as if by direct convolution, by the layers'
  /// names: of layers that are computed together all are the first one's.
  public static func multiplyAdds(_ architecture: Architecture) -> [String: Int] {
    plan(
      architecture, GradientLayout(architecture.parameters, batch: 1), batch: 1, threads: 1,
      PlanMemory(onlyCounts: true)
    ).multiplyAdds
  }

  private static func plan(
    _ architecture: Architecture, _ gradients: GradientLayout, batch: Int, threads: Int,
    _ memory: PlanMemory
  ) -> Plan {
    Plan(
      architecture.graph(), gradients: gradients, batch: batch, threads: threads,
      wantsInputGradient: false, memory: memory)
  }

  /// What of each label is spread over all classes.
  private let smoothing: Float
  /// The gradient of one picture for one label.
  private var logitGradient: [Float]

  /// What the frozen layers make of pictures; nil where that is not kept.
  private var cache: FeatureCache?
  private let kernels: any KernelOperations.Type
  private let pool: ThreadPool
  private let plan: Plan

  /// Plans all buffers.
  /// - Parameters:
  ///   - batchCapacity: the most pictures of one call.
  ///   - stepSize: the most pictures of a step of the run, which decide how a gradient's sums are
  ///     cut and laid out; as a rule the same.
  ///   - labelSmoothing: what of each label is spread over all classes, in losses too.
  ///   - threads: how many compute, the caller's included.
  ///   - kernels: one of `KernelSet.available`.
  /// - Throws: where the threads cannot be had.
  public init(
    _ architecture: Architecture, batchCapacity: Int, stepSize: Int? = nil,
    labelSmoothing: Float = 0, threads: Int = 1, kernels: KernelSet
  ) throws(ThreadError) {
    smoothing = labelSmoothing
    logitGradient = Array(repeating: 0, count: architecture.outputs.last?.count ?? 0)
    precondition(KernelSet.available.contains(kernels) && batchCapacity > 0)
    self.architecture = architecture
    self.batchCapacity = batchCapacity
    kernelSet = kernels
    self.kernels = kernels.operations
    pool = try ThreadPool(threads: threads)
    gradientLayout = GradientLayout(
      architecture.parameters, batch: max(stepSize ?? 0, batchCapacity))
    plan = Self.plan(
      architecture, gradientLayout, batch: batchCapacity, threads: pool.threads, PlanMemory())
  }

  /// From now on keeps what the model's frozen layers make of pictures that have a key, where there
  /// are such layers, for as long as it computes with the same weights of theirs.
  /// - Parameters:
  ///   - bytes: the most memory that it may take.
  ///   - pictures: how many there are.
  /// - Returns: the bytes that it takes; 0 where nothing is kept.
  @discardableResult
  public func keepFeatures(bytes: Int, pictures: Int) -> Int {
    let floats = FeatureCache.floats(of: plan.features)
    guard floats > 0 else { return 0 }
    cache = FeatureCache(
      plan.features, bytes: bytes, pictures: pictures, batch: batchCapacity)
    return min(bytes, pictures * floats * MemoryLayout<Float>.stride)
  }

  /// The gradient of the SUM of the pictures' losses (not of the mean), and the batch's totals.
  ///
  /// - Parameters:
  ///   - batch: at most `batchCapacity` pictures.
  ///   - weights: in the model's layout.
  ///   - step: what dropout draws by; nil for none: the gradient of what the model is at inference.
  ///   - gradient: in `gradientLayout.buffer`; overwritten.
  ///   - ready: told each layer whose gradient is there, the last layer first, while those before
  ///     it are still to be computed.
  public func gradient(
    _ batch: Batch, weights: ParameterBuffer, step: TrainingStep? = nil,
    into gradient: ParameterBuffer, ready: ((_ layer: String) -> Void)? = nil
  ) -> Totals {
    withExtendedLifetime(batch) {
      let step = forward(batch.pictures, keys: batch.keys, weights, gradient, step)
      let totals = loss(batch, setsGradient: true)
      for index in plan.stages.indices.reversed() where plan.isTrained[index] {
        measured(index, \.backward) { plan.stages[index].backward(step) }
        ready?(plan.layers[index])
      }
      return totals
    }
  }

  /// The batch's totals, without a gradient; arguments as for `gradient`.
  public func evaluate(_ batch: Batch, weights: ParameterBuffer) -> Totals {
    withExtendedLifetime(batch) {
      _ = forward(batch.pictures, keys: batch.keys, weights, nil)
      var totals = loss(batch, setsGradient: false)
      guard architecture.loss.classes > 5 else { return totals }
      for (judgement, label) in zip(judgements(batch), batch.labels) {
        totals.amongFive += judgement.isAmongFive(label) ? 1 : 0
      }
      return totals
    }
  }

  /// The batch's totals, and what the model says of each picture; arguments as for `gradient`.
  public func judge(
    _ batch: Batch, weights: ParameterBuffer
  ) -> (totals: Totals, judgements: [Judgement]) {
    withExtendedLifetime(batch) {
      _ = forward(batch.pictures, weights, nil)
      return (loss(batch, setsGradient: false), judgements(batch))
    }
  }

  /// What the last layer's sums, as they are, say of each picture.
  private func judgements(_ batch: Batch) -> [Judgement] {
    let (logits, loss) = (plan.output, architecture.loss)
    return batch.pictures.indices.map { picture in
      let sums = UnsafePointer(logits.values + picture * logits.channelStride)
      return Judgement(
        answer: loss.answer(logits: sums), probabilities: loss.probabilities(logits: sums))
    }
  }

  /// The probability of each class for each picture, height x width x channels bytes.
  public func predict(
    pictures: [UnsafePointer<UInt8>], weights: ParameterBuffer
  ) -> [[Double]] {
    _ = forward(pictures, weights, nil)
    let logits = plan.output
    return pictures.indices.map {
      architecture.loss.probabilities(logits: logits.values + $0 * logits.channelStride)
    }
  }

  private func forward(
    _ pictures: [UnsafePointer<UInt8>], keys: [Int] = [], _ weights: ParameterBuffer,
    _ gradient: ParameterBuffer?, _ training: TrainingStep? = nil
  ) -> StepContext {
    precondition(pictures.count <= batchCapacity)
    let step = StepContext(
      batch: pictures.count, pictures: pictures, weights: weights, gradient: gradient,
      training: training, pool: pool, kernels: kernels)
    if let cache, !keys.isEmpty {
      restoreFeatures(step, keys, cache)
    } else {
      read(pictures)
      for index in plan.stages.indices where plan.isTrunk[index] { forward(index, step) }
    }
    for index in plan.stages.indices where !plan.isTrunk[index] { forward(index, step) }
    return step
  }

  private func forward(_ index: Int, _ step: StepContext) {
    measured(index, \.forward) { plan.stages[index].forward(step) }
  }

  private func read(_ pictures: [UnsafePointer<UInt8>]) {
    guard !plan.readsBytes else { return }
    let input = plan.input
    pool.run(pictures.count) { picture, _ in
      input.read(pictures[picture], at: picture, input.shape.extent, kernels)
    }
  }

  /// Fills the maps that the trunk puts out: of the pictures that are new, by computing them.
  private func restoreFeatures(_ step: StepContext, _ keys: [Int], _ cache: FeatureCache) {
    cache.beginStep()
    let new = keys.indices.filter { !cache.has(keys[$0]) }
    if !new.isEmpty {
      let pictures = new.map { step.pictures[$0] }
      let part = StepContext(
        batch: new.count, pictures: pictures, weights: step.weights, gradient: step.gradient,
        training: step.training, pool: pool, kernels: kernels)
      read(pictures)
      for index in plan.stages.indices where plan.isTrunk[index] { forward(index, part) }
      for (place, index) in new.enumerated() { cache.keep(keys[index], of: place) }
    }
    for (place, key) in keys.enumerated() { cache.restore(key, as: place) }
  }

  /// Sets `profile` to zero, and from now on adds up what each stage takes.
  public func startProfile() {
    profile = plan.stages.map {
      StageTime(
        layers: $0.layers, multiplyAdds: $0.multiplyAdds,
        backwardMultiplyAdds: $0.backwardMultiplyAdds)
    }
  }

  private func measured(
    _ index: Int, _ direction: WritableKeyPath<StageTime, Duration>, _ body: () -> Void
  ) {
    guard !profile.isEmpty else { return body() }
    profile[index][keyPath: direction] += ContinuousClock().measure(body)
  }

  private func loss(_ batch: Batch, setsGradient: Bool) -> Totals {
    let logits = plan.output
    var totals = Totals()
    for (picture, label) in batch.labels.enumerated() {
      let place = picture * logits.channelStride
      let gradient = setsGradient ? logits.gradient + place : nil
      var (loss, isCorrect) = self.loss(logits.values + place, label, gradient)
      if !batch.weights.isEmpty {
        loss *= Double(batch.weights[picture])
        for i in logitGradient.indices { gradient?[i] *= batch.weights[picture] }
      }
      totals.loss += loss
      totals.correct += isCorrect ? 1 : 0
      totals.count += 1
    }
    return totals
  }

  /// The loss of one picture, its label smoothed.
  ///
  /// A loss is linear in the label's distribution over the classes: with s the smoothing and K
  /// classes it is 1 - s times that of the label, and s / K times that of each class.
  private func loss(
    _ logits: UnsafePointer<Float>, _ label: Int, _ gradient: UnsafeMutablePointer<Float>?
  ) -> (loss: Double, isCorrect: Bool) {
    let own = architecture.loss.picture(logits: logits, label: label, gradient: gradient)
    guard smoothing > 0 else { return own }
    let (kept, spread) = (1 - smoothing, smoothing / Float(architecture.loss.classes))
    var loss = own.loss * Double(kept)
    for i in logitGradient.indices { gradient?[i] *= kept }
    for other in 0..<architecture.loss.classes {
      let (part, _) = logitGradient.withUnsafeMutableBufferPointer {
        architecture.loss.picture(logits: logits, label: other, gradient: $0.baseAddress)
      }
      loss += part * Double(spread)
      for (i, slope) in logitGradient.enumerated() { gradient?[i] += slope * spread }
    }
    return (loss, own.isCorrect)
  }
}
