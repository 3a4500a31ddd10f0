import ArgumentParser
import Engine
import Foundation
import KerasFiles
import Primitives
import Runs

/// Figures of this machine, one JSON object a line.
struct Bench: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench",
    abstract: "Measure this machine; prints one JSON object a line.",
    subcommands: [
      BenchStep.self, BenchDecode.self, BenchAugment.self, BenchGradient.self, BenchCluster.self,
    ])
}

/// One training step: forward, backward and the update, on pictures of noise.
struct BenchStep: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "step",
    abstract: "Time one training step: forward, backward and the update.",
    discussion: "Example: dogsled bench step --threads 1")

  @Option(parsing: .unconditional, help: "Pictures in a batch.") var batchSize = 20
  @OptionGroup var threading: ThreadOptions
  @Option(parsing: .unconditional, help: "Steps that are timed, after three that are not.")
  var count = 20
  @OptionGroup var new: NewNetworkOptions
  @Option(
    help: ArgumentHelp(
      "A model's layers: Keras's JSON, or an .h5 file; the default is a network of --network.",
      valueName: "file"),
    completion: .file(extensions: ["json", "h5"]))
  var model: String?
  @Flag(help: "Also print a line for each layer.") var profile = false

  func validate() throws {
    guard (1...4096).contains(batchSize) else {
      throw ValidationError("--batch-size must be from 1 to 4096, not \(batchSize)")
    }
    guard (1...1_000_000).contains(count) else {
      throw ValidationError("--count must be from 1 to 1000000, not \(count)")
    }
    try new.refuse(beside: model)
  }

  func run() throws {
    let model =
      try model.map { try KerasConfiguration.model(inFile: $0).architecture }
      ?? new.architecture()
    let (batch, threads) = (batchSize, threading.count)
    let optimizer = Hyperparameters().optimizer
    let need = MemoryNeed.benchmark(
      model, optimizer: optimizer, batch: batch, threads: threads)
    try need.check(
      "a step of \(counted(batch, "picture"))",
      advice: "choose a smaller --batch-size, or fewer --threads")
    log("a step of \(counted(batch, "picture")) takes \(need.text) of memory")
    let kernels = try KernelSet.chosen()
    let engine = try Engine(model, batchCapacity: batch, threads: threads, kernels: kernels)
    let updater = try Updater(engine.gradientLayout, threads: threads, kernels: kernels)
    var state = ModelState(model.parameters, optimizer: optimizer)
    state.initialize(seed: 1)
    let gradient = ParameterBuffer(engine.gradientLayout.buffer)
    let bytes = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: batch * model.input.count)
    defer { bytes.deallocate() }
    let noise = CounterRandom(seed: 1, purpose: .benchmark)
    for i in bytes.indices { bytes[i] = UInt8(truncatingIfNeeded: noise.bits(UInt64(i))) }
    let examples = Batch(
      pictures: (0..<batch).map { UnsafePointer(bytes.baseAddress! + $0 * model.input.count) },
      labels: (0..<batch).map { $0 % model.loss.classes })

    let clock = ContinuousClock()
    var milliseconds: [Double] = []
    for step in -3..<count {
      if step == 0, profile { engine.startProfile() }
      let time = clock.measure {
        _ = engine.gradient(
          examples, weights: state.weights, step: TrainingStep(seed: 0, number: 0), into: gradient)
        updater.apply(
          optimizer, to: &state, steps: [StepGradient(gradient, pictures: batch)])
      }
      if step >= 0 { milliseconds.append(time / .milliseconds(1)) }
    }
    let result = StepResult(
      batch: batch, input: model.input, threads: threads, kernels: kernels,
      milliseconds: milliseconds)
    try emit(try jsonLine(result))
    guard profile else { return }
    let peak = kernels.measurePeak() * Double(threads)
    for time in engine.profile {
      try emit(
        try jsonLine(
          LayerResult(time, batch: batch, threads: threads, steps: count, peak: peak)))
    }
  }
}

/// What the benchmark of a step prints.
private struct StepResult: Encodable {
  let bench = "step"
  let batch: Int
  let input: String
  let threads: Int
  let kernels: String
  let count: Int
  let median_ms: Double
  let minimum_ms: Double

  init(batch: Int, input: Shape, threads: Int, kernels: KernelSet, milliseconds: [Double]) {
    self.batch = batch
    self.input = "\(input.height)x\(input.width)"
    self.threads = threads
    self.kernels = kernels.rawValue
    count = milliseconds.count
    (median_ms, minimum_ms) = medianAndMinimum(milliseconds)
  }
}

/// What a profile prints for the layers that are computed as one: mean milliseconds, the speed as
/// if by direct convolution, and that as a share of the cores' peak. (Winograd's convolution does a
/// quarter of the multiply-adds: its share may be above 1.)
struct LayerResult: Encodable {
  let bench = "step"
  let layers: String
  let threads: Int
  let forward_ms: Double
  let backward_ms: Double
  let forward_gflops: Double
  let backward_gflops: Double
  let forward_share: Double
  let backward_share: Double

  init(_ time: StageTime, batch: Int, threads: Int, steps: Int, peak: Double) {
    layers = time.layers
    self.threads = threads
    forward_ms = time.forward / .milliseconds(steps)
    backward_ms = time.backward / .milliseconds(steps)
    // A multiply-add is two operations.
    forward_gflops = 2e-6 * Double(time.multiplyAdds * batch) / forward_ms
    backward_gflops = 2e-6 * Double(time.backwardMultiplyAdds * batch) / backward_ms
    (forward_share, backward_share) = (forward_gflops / peak, backward_gflops / peak)
  }
}

/// A benchmark's result as one line.
func jsonLine(_ result: some Encodable) throws -> String {
  let encoder = JSONEncoder()
  encoder.outputFormatting = .sortedKeys
  return String(decoding: try encoder.encode(result), as: UTF8.self)
}

/// The median and the least of some times, at least one.
func medianAndMinimum(_ times: [Double]) -> (Double, Double) {
  let sorted = times.sorted()
  let middle = sorted.count / 2
  let median = sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
  return (median, sorted[0])
}
