import Engine
import Foundation
import Primitives
import Wire

/// A step, and what follows from it in a run all of whose steps are the same: what workers replay
/// that compute nothing, so that a coordinator and a network can be measured with more of them than
/// there are cores.
///
/// The coordinator makes it once, and its workers are sent it with their welcome.
public struct Recording: Sendable {
  /// All but the gradient.
  struct Script: Codable, Hashable, Sendable {
    /// When a layer's gradient is there, as a fraction of the step.
    struct Moment: Codable, Hashable, Sendable {
      var layer: String
      var fraction: Double
    }

    /// Seconds of a step.
    var step: Double
    /// In the order of the backward pass.
    var moments: [Moment]
    /// Seconds of an update.
    var update: Double
    /// The step's loss, as the bits of a number.
    var loss: UInt64
    var correct: Int
    var count: Int
    /// Of the weights after 0, 1, 2 and so on updates.
    var digests: [Digest]
  }

  private(set) var script: Script
  /// In the layout of the run's gradients; nobody writes to it any more.
  let gradient: ParameterBuffer

  /// What an update takes on one core.
  public var update: Duration { .seconds(script.update) }

  /// The digest of the weights that a run comes to.
  public var digest: Digest { script.digests.last ?? .ofNothing }

  /// Updates before the step that is recorded, so that its gradient is as sparse as most are.
  private static let updatesBefore = 20
  /// Gradients that updates are measured with: more would be no longer in the cache either.
  static let gradientsMost = 16

  /// Trains a little, and records the step after that.
  ///
  /// - Parameters:
  ///   - job: what the workers are to replay.
  ///   - step: what a step is to take.
  ///   - batches: taken in turn, the first for the step that is recorded too.
  /// - Throws: `ThreadError`; `WorkerError` where the numbers are not finite.
  public init(
    _ job: TrainingJob, step: Duration, batches: [Batch], kernels: KernelSet
  ) throws {
    precondition(!batches.isEmpty)
    let engine = try Engine(
      job.architecture, batchCapacity: job.hyperparameters.batchSize,
      labelSmoothing: job.hyperparameters.labelSmoothing, kernels: kernels)
    let updater = try Updater(job.gradients, steps: 1, kernels: kernels)
    var state = job.initialState
    gradient = ParameterBuffer(job.gradients.buffer)
    var watch = LayerWatch()
    var totals = Engine.Totals()
    for number in 0...Self.updatesBefore {
      let batch = batches[(Self.updatesBefore - number) % batches.count]
      watch.begin()
      totals = engine.gradient(
        batch.weighted(job.classWeights), weights: state.weights,
        step: TrainingStep(seed: job.hyperparameters.seed, number: number), into: gradient,
        ready: { watch.add($0) })
      watch.end()
      guard number < Self.updatesBefore else { break }
      updater.apply(
        job.hyperparameters.optimizer, to: &state,
        steps: [StepGradient(gradient, pictures: batch.count)])
    }
    guard gradient.isFinite, totals.loss.isFinite else {
      throw WorkerError("this model's gradient is no longer finite: there is nothing to replay")
    }
    script = Script(
      step: step / .seconds(1), moments: watch.moments, update: 0, loss: totals.loss.bitPattern,
      correct: totals.correct, count: totals.count, digests: [])
    try recordUpdates(job, kernels)
  }

  /// Makes all updates of the run as a worker does: what each takes, and what it comes to.
  private mutating func recordUpdates(_ job: TrainingJob, _ kernels: KernelSet) throws {
    let count = job.schedule.batchesPerUpdate
    let updater = try Updater(job.gradients, steps: count, kernels: kernels)
    // Each step's in memory of its own, as in a worker.
    let copies = (0..<min(count, Self.gradientsMost)).map { _ in
      let copy = ParameterBuffer(job.gradients.buffer)
      copy.copy(from: gradient)
      return copy
    }
    let steps = (0..<count).map {
      StepGradient(copies[$0 % copies.count], pictures: script.count)
    }
    let sums = ParameterBuffer(job.gradients.buffer)
    for part in job.gradients.parts(most: job.gradients.buffer.bufferCount) where !part.isPerStep {
      updater.sum(part.floats, of: steps, into: sums)
    }
    var state = job.initialState
    var times: [Double] = []
    script.digests = [state.digest]
    for _ in 0..<job.schedule.updates {
      let time = ContinuousClock().measure {
        updater.apply(job.hyperparameters.optimizer, to: &state, steps: steps, wholes: sums)
      }
      times.append(time / .seconds(1))
      script.digests.append(state.digest)
    }
    script.update = times.sorted()[times.count / 2]
  }
}

extension TrainingJob {
  /// What its run has learnt at the start.
  fileprivate var initialState: ModelState {
    var state = ModelState(
      architecture.parameters, optimizer: hyperparameters.optimizer)
    state.initialize(seed: hyperparameters.seed)
    return state
  }
}

/// When the layers' gradients are there, in the mean over some steps.
private struct LayerWatch {
  private var layers: [String] = []
  private var sums: [Double] = []
  private var total = 0.0
  private var start = ContinuousClock.now
  private var layer = 0

  mutating func begin() { (start, layer) = (.now, 0) }

  mutating func add(_ name: String) {
    if layer == layers.count {
      layers.append(name)
      sums.append(0)
    }
    sums[layer] += (.now - start) / .seconds(1)
    layer += 1
  }

  mutating func end() { total += (.now - start) / .seconds(1) }

  var moments: [Recording.Script.Moment] {
    zip(layers, sums).map { .init(layer: $0, fraction: total > 0 ? min(1, $1 / total) : 1) }
  }
}

// MARK: On its way

extension Recording {
  /// What a worker answers that has got it.
  var answer: ProbeAnswer { ProbeAnswer(pictures: .ofNothing, gradient: gradient.digest) }

  /// What travels in a probe's place.
  func encoded() throws -> [Data] {
    [try JSONEncoder().encode(script), Data(buffer: UnsafeBufferPointer(gradient.buffer))]
  }

  /// What came in a probe's place.
  /// - Parameters:
  ///   - layout: of the run's gradients.
  ///   - pictures: of a step.
  /// - Throws: `WorkerError` where it is no recording, or one of something else.
  init(_ data: [Data], _ layout: GradientLayout, pictures: Int) throws(WorkerError) {
    let bytes = layout.buffer.bufferCount * MemoryLayout<Float>.stride
    guard data.count == 2, data[1].count == bytes,
      let script = try? JSONDecoder().decode(Script.self, from: data[0]),
      [script.step, script.update].allSatisfy((0...3600).contains),
      script.moments.allSatisfy({ (0...1).contains($0.fraction) }),
      Set(script.moments.map(\.layer)).isSuperset(of: layout.buffer.tensors.map(\.layer)),
      script.count == pictures
    else { throw WorkerError("the coordinator there is none of dogsled bench cluster") }
    gradient = ParameterBuffer(layout.buffer)
    data[1].copyBytes(to: UnsafeMutableRawBufferPointer(gradient.buffer))
    self.script = script
  }
}
