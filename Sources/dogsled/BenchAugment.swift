import ArgumentParser
import Pictures
import Primitives

/// Changing pictures at random, on one thread.
struct BenchAugment: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "augment",
    abstract: "Time how long it takes to augment a picture, on one thread.",
    discussion: """
      Changes pictures of noise as training would, one after the other. Without an option that \
      says how, that is as with --augment.

      Example: dogsled bench augment --count 10000
      """)

  @Option(parsing: .unconditional, help: "Pictures that are timed, after 100 that are not.")
  var count = 10_000

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Rows and columns of each picture.", valueName: "hxw"))
  var inputSize = InputSize(height: 150, width: 150)

  @OptionGroup var augmentation: AugmentationOptions

  func validate() throws {
    guard (1...1_000_000).contains(count) else {
      throw ValidationError("--count must be from 1 to 1000000, not \(count)")
    }
    try augmentation.check()
  }

  func run() throws {
    let settings = augmentation.orBook
    let (height, width) = (inputSize.height, inputSize.width)
    let noise = CounterRandom(seed: 1, purpose: .benchmark)
    let picture = try DecodedPicture(height: height, width: width) { bytes in
      for i in bytes.indices { bytes[i] = UInt8(truncatingIfNeeded: noise.bits(UInt64(i))) }
    }
    let warp = try Warp(height: height, width: width)
    let clock = ContinuousClock()
    var milliseconds: [Double] = []
    for index in -100..<count {
      let time = try clock.measure {
        let change = PictureTransform(
          settings, seed: 1, pass: 0, picture: index, height: height, width: width)
        _ = try warp.apply(change, fill: settings.fillMode, to: picture)
      }
      if index >= 0 { milliseconds.append(time / .milliseconds(1)) }
    }
    try emit(try jsonLine(AugmentResult(size: "\(inputSize)", milliseconds: milliseconds)))
  }
}

/// What the benchmark of augmentation prints; times are a picture's.
private struct AugmentResult: Encodable {
  let bench = "augment"
  let size: String
  let count: Int
  let median_ms: Double
  let minimum_ms: Double
  let pictures_per_second: Double

  init(size: String, milliseconds: [Double]) {
    self.size = size
    count = milliseconds.count
    (median_ms, minimum_ms) = medianAndMinimum(milliseconds)
    pictures_per_second = (1000 / median_ms).rounded()
  }
}
