import ArgumentParser
import Engine
import Foundation
import KerasFiles
import Pictures
import Primitives
import Runs
import Wire

/// What the gradient of a step takes in each encoding, on one thread.
struct BenchGradient: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "gradient",
    abstract: "Measure what a step's gradient takes in each encoding: bytes and time.",
    discussion: """
      Trains for some updates, on noise or on a data folder's training pictures, and encodes the
      gradient of the next step. Prints a line for each tensor, one for all, and for each link what
      an encoder chooses that knows it. Sparse floats are planes too. Times are those of one thread.

      Example: dogsled bench gradient --data pets --updates 300
      """)

  @Option(
    help: ArgumentHelp("A data set's folder; the default is pictures of noise.", valueName: "data"),
    completion: .directory)
  var data: String?
  @Option(parsing: .unconditional, help: "Pictures in a batch.") var batchSize = 20
  @Option(parsing: .unconditional, help: "Updates before the step whose gradient is encoded.")
  var updates = 20
  @Option(
    parsing: .unconditionalSingleValue,
    help: ArgumentHelp(
      "What a link carries, in Mbit/s; may be repeated, and loopback is always there (default: "
        + "100, 1000, 10000).", valueName: "mbit"))
  var link: [Double] = []
  @OptionGroup var threading: ThreadOptions
  @Option(
    help: ArgumentHelp(
      "A model's layers: Keras's JSON, or an .h5 file; the default is the book's network.",
      valueName: "file"),
    completion: .file(extensions: ["json", "h5"]))
  var model: String?

  func validate() throws {
    guard (1...4096).contains(batchSize) else {
      throw ValidationError("--batch-size must be from 1 to 4096, not \(batchSize)")
    }
    guard (0...1_000_000).contains(updates) else {
      throw ValidationError("--updates must be from 0 to 1000000, not \(updates)")
    }
    if let wrong = link.first(where: { !(0.001...1e6).contains($0) }) {
      throw ValidationError("--link must be from 0.001 to 1000000 Mbit/s, not \(wrong)")
    }
    if data == "" { throw ValidationError("--data needs the name of a folder") }
  }

  func run() throws {
    let model = try model.map { try KerasConfiguration.model(inFile: $0).architecture } ?? .book()
    let gradient = try gradient(of: model)
    let tensors = gradient.layout.tensors.map { tensor in
      (tensor, Self.parts(UnsafeBufferPointer(gradient[tensor])))
    }
    for (tensor, parts) in tensors {
      try emit(try jsonLine(GradientResult(tensor.layer, "\(tensor.kind)", parts)))
    }
    let all = tensors.flatMap(\.1)
    try emit(try jsonLine(GradientResult("all", "all", all)))
    let rates = link.isEmpty ? [100, 1000, 10_000] : link
    for rate in rates { try emit(try jsonLine(LinkResult(megabits: rate, all))) }
    try emit(try jsonLine(LinkResult(megabits: nil, all)))
  }

  /// The parts that a tensor is cut into.
  private static func parts(_ tensor: UnsafeBufferPointer<Float>) -> [UnsafeBufferPointer<Float>] {
    stride(from: 0, to: tensor.count, by: PartCoding.maximumFloats).map {
      UnsafeBufferPointer(rebasing: tensor[$0..<min($0 + PartCoding.maximumFloats, tensor.count)])
    }
  }

  /// The gradient of the step that follows the updates.
  private func gradient(of model: Architecture) throws -> ParameterBuffer {
    let optimizer = Hyperparameters().optimizer
    let threads = threading.count
    var need = MemoryNeed.benchmark(
      model, optimizer: optimizer, batch: batchSize, threads: threads)
    need.addPictures(batchSize, of: model.input)
    try need.check(
      "a step of \(counted(batchSize, "picture"))",
      advice: "choose a smaller --batch-size, or fewer --threads")
    let batches = try batches(for: model, pictureCache: need.pictureCache())
    let kernels = try KernelSet.chosen()
    let engine = try Engine(model, batchCapacity: batchSize, threads: threads, kernels: kernels)
    let updater = try Updater(engine.gradientLayout, threads: threads, kernels: kernels)
    var state = ModelState(model.parameters, optimizer: optimizer)
    state.initialize(seed: 1)
    let gradient = ParameterBuffer(engine.gradientLayout.buffer)
    for step in 0...updates {
      let batch = try batches(step)
      _ = engine.gradient(
        batch, weights: state.weights, step: TrainingStep(seed: 0, number: 0), into: gradient)
      guard step < updates else { break }
      updater.apply(
        optimizer, to: &state, steps: [StepGradient(gradient, pictures: batch.count)])
    }
    return gradient
  }

  /// The batch of each step: noise, or what a run with this data folder computes.
  private func batches(
    for model: Architecture, pictureCache: Int
  ) throws -> (_ step: Int) throws -> Batch {
    let (batchSize, classes) = (batchSize, model.loss.classes)
    guard let data else {
      return { try Self.noise(step: $0, batchSize, model.input, classes: classes) }
    }
    let manifest = try DataSet.scan(data, classes: classes).manifest
    var hyperparameters = Hyperparameters()
    hyperparameters.batchSize = batchSize
    try hyperparameters.validate(trainingPictures: manifest.training.count)
    let store = try PictureStore(
      folder: data, entries: manifest.training,
      decoder: PictureDecoder(hyperparameters.pictures, for: model.input), threads: 0,
      memoryLimit: pictureCache)
    let plan = BatchPlan(
      trainingCount: manifest.training.count, validationCount: 0, batchSize: batchSize,
      seed: hyperparameters.seed)
    return { try store.batch(plan.training(step: $0)) }
  }

  /// Pictures of noise, in all classes.
  private static func noise(
    step: Int, _ count: Int, _ shape: Shape, classes: Int
  ) throws -> Batch {
    let pictures = try (0..<count).map { index in
      let noise = CounterRandom(seed: 1, purpose: .benchmark, UInt64(step), UInt64(index))
      return try DecodedPicture(height: shape.height, width: shape.width) { bytes in
        for i in bytes.indices { bytes[i] = UInt8(truncatingIfNeeded: noise.bits(UInt64(i))) }
      }
    }
    return Batch(
      pictures: pictures.map(\.bytes), labels: (0..<count).map { $0 % classes }, owners: pictures)
  }
}

/// What some parts take in an encoding, or in those that an encoder chooses.
private struct EncodingTime: Encodable {
  private static let repeats = 15

  /// Of all parts.
  let bytes: Int
  let encode_ms: Double
  let decode_ms: Double
  /// The encoding of each part.
  let encodings: [PartEncoding]

  private enum CodingKeys: CodingKey { case bytes, encode_ms, decode_ms }

  /// Encodes and decodes `parts` several times; the times are medians.
  /// - Throws: `Failure` where other floats come back.
  init(
    _ parts: [UnsafeBufferPointer<Float>],
    _ encode: (UnsafeBufferPointer<Float>) -> EncodedPart
  ) throws {
    let clock = ContinuousClock()
    let target = UnsafeMutableBufferPointer<Float>.allocate(capacity: PartCoding.maximumFloats)
    defer { target.deallocate() }
    var encoded: [EncodedPart] = []
    var times: (encode: [Double], decode: [Double]) = ([], [])
    for _ in 0..<Self.repeats {
      times.encode.append(clock.measure { encoded = parts.map(encode) } / .milliseconds(1))
      var spent = Duration.zero
      for (part, bytes) in zip(parts, encoded) {
        let floats = UnsafeMutableBufferPointer(rebasing: target[..<part.count])
        spent += try clock.measure {
          try PartCoding.decode(bytes.bytes, bytes.encoding, into: floats)
        }
        guard zip(floats, part).allSatisfy({ $0.bitPattern == $1.bitPattern }) else {
          throw Failure("\(bytes.encoding): other floats come back: this is a defect of Dogsled")
        }
      }
      times.decode.append(spent / .milliseconds(1))
    }
    bytes = encoded.reduce(0) { $0 + $1.bytes.readableBytes }
    encodings = encoded.map(\.encoding)
    encode_ms = medianAndMinimum(times.encode).0
    decode_ms = medianAndMinimum(times.decode).0
  }
}

/// What the benchmark prints of one tensor's gradient, or of all.
private struct GradientResult: Encodable {
  let bench = "gradient"
  let layer: String
  let kind: String
  let floats: Int
  let zeros: Int
  let parts: Int
  let plain: EncodingTime
  let planes: EncodingTime
  let sparse: EncodingTime

  init(_ layer: String, _ kind: String, _ parts: [UnsafeBufferPointer<Float>]) throws {
    (self.layer, self.kind) = (layer, kind)
    floats = parts.reduce(0) { $0 + $1.count }
    zeros = parts.reduce(0) { $0 + $1.count { $0.bitPattern == 0 } }
    self.parts = parts.count
    plain = try EncodingTime(parts) { PartCoding.encode($0, as: .plain) }
    planes = try EncodingTime(parts) { PartCoding.encode($0, as: .planes) }
    sparse = try EncodingTime(parts) { PartCoding.encode($0, as: .sparse) }
  }
}

/// What the benchmark prints of all parts in the encodings that are chosen for a link.
private struct LinkResult: Encodable {
  let bench = "gradient"
  let link: String
  let parts: [String: Int]
  let chosen: EncodingTime

  /// - Parameter megabits: a second; nil for loopback.
  init(megabits: Double?, _ parts: [UnsafeBufferPointer<Float>]) throws {
    link = megabits.map { "\($0.formatted(.number.grouping(.never))) Mbit/s" } ?? "loopback"
    let rate = megabits.map { $0 * 1e6 / 8 } ?? .infinity
    chosen = try EncodingTime(parts) { PartCoding.encode($0, bytesPerSecond: rate) }
    self.parts = Dictionary(grouping: chosen.encodings) { "\($0)" }.mapValues(\.count)
  }
}
