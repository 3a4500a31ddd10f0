import Engine
import Foundation
import Pictures
import Primitives
import Runs
import Wire

/// What a worker computes when it joins, to prove that it computes the coordinator's bits: the
/// gradient of two drawn pictures with weights that follow from a fixed seed.
public struct Probe: Sendable {
  /// The pictures, as JPEG.
  public let jpegs: [Data]
  /// What the coordinator makes of them.
  public let answer: ProbeAnswer

  /// The probe for workers of `job`; computes the answer once, with an engine of its own.
  /// - Throws: `PictureError`: libjpeg has no memory; `ThreadError`.
  public init(
    _ architecture: Architecture, _ hyperparameters: Hyperparameters, threads: Int,
    kernels: KernelSet
  ) throws {
    let input = architecture.input
    let jpegs = try (0..<2).map { number in
      // Fast decoding takes the first at half its size and the second at a quarter.
      let factor = hyperparameters.decode == .fast ? 2 << number : 1
      let picture = try Self.drawn(
        number, height: min(input.height * factor, 4096), width: min(input.width * factor, 4096))
      return Data(try JPEG.encode(picture, quality: 85))
    }
    let engine = try Engine(
      architecture, batchCapacity: min(jpegs.count, hyperparameters.batchSize),
      stepSize: hyperparameters.batchSize, labelSmoothing: hyperparameters.labelSmoothing,
      threads: threads, kernels: kernels)
    self.jpegs = jpegs
    answer = try Self.answer(
      jpegs, decoder: PictureDecoder(hyperparameters.pictures, for: input),
      augmentation: hyperparameters.augmentation, seed: hyperparameters.seed, engine: engine)
  }

  /// What a benchmark's workers get in its place: a recording.
  /// - Throws: where it cannot be written as JSON.
  public init(_ recording: Recording) throws {
    jpegs = try recording.encoded()
    answer = recording.answer
  }

  /// What `engine` makes of the pictures, changed as those of the first step are.
  /// - Throws: `PictureError` where they cannot be decoded.
  static func answer(
    _ jpegs: [Data], decoder: PictureDecoder, augmentation: Augmentation, seed: UInt64,
    engine: Engine
  ) throws -> ProbeAnswer {
    guard !jpegs.isEmpty else { return .none }
    let warp = try Warp(height: decoder.height, width: decoder.width)
    let pictures = try jpegs.prefix(engine.batchCapacity).enumerated().map { number, jpeg in
      let change = PictureTransform(
        augmentation, seed: seed, pass: 0, picture: number, height: decoder.height,
        width: decoder.width)
      return try warp.apply(
        change, fill: augmentation.fillMode,
        to: try jpeg.withUnsafeBytes { try decoder.decode($0) })
    }
    var hasher = DigestHasher()
    for picture in pictures {
      hasher.update(UnsafeRawBufferPointer(start: picture.bytes, count: picture.count))
    }
    let weights = ParameterBuffer(engine.architecture.parameters)
    weights.initialize(seed: 0)
    let gradient = ParameterBuffer(engine.gradientLayout.buffer)
    let classes = engine.architecture.loss.classes
    let batch = Batch(
      pictures: pictures.map(\.bytes), labels: pictures.indices.map { $0 % classes },
      owners: pictures)
    _ = engine.gradient(
      batch, weights: weights, step: TrainingStep(seed: seed, number: 0), into: gradient)
    return ProbeAnswer(pictures: hasher.finish(), gradient: gradient.digest)
  }

  /// Slopes of colour with noise: every frequency of a JPEG is in it.
  private static func drawn(_ number: Int, height: Int, width: Int) throws -> DecodedPicture {
    try DecodedPicture(height: height, width: width) { bytes in
      let noise = CounterRandom(seed: 0, purpose: .probe, UInt64(number))
      for i in bytes.indices {
        let (row, column) = (i / 3 / width, i / 3 % width)
        let slope = (row * (i % 3 + 1) + column * (3 - i % 3) + number * 40) % 200
        bytes[i] = UInt8(slope) + UInt8(truncatingIfNeeded: noise.bits(UInt64(i)) % 56)
      }
    }
  }
}
