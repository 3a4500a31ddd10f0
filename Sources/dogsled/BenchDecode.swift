import ArgumentParser
import Foundation
import Pictures

/// Reading, decoding and resizing of JPEG files, on one core.
struct BenchDecode: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "decode",
    abstract: "Time reading, decoding and resizing of pictures, one after the other.",
    discussion: "Example: dogsled bench decode --decode fast pets/train/cats/*.jpg")

  @Argument(help: "JPEG files.", completion: .file(extensions: ["jpg", "jpeg"]))
  var files: [String]

  @Option(help: "How JPEGs are decoded: exact or fast.")
  var decode = PictureSettings.Decoding.exact

  @Option(help: "How pictures are resized: nearest, bilinear or area.")
  var interpolation = Interpolation.nearest

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Rows and columns that they are brought to.", valueName: "hxw"))
  var inputSize = InputSize(height: 150, width: 150)

  func run() throws {
    let settings = PictureSettings(decoding: decode, interpolation: interpolation)
    let decoder = PictureDecoder(settings, height: inputSize.height, width: inputSize.width)
    let clock = ContinuousClock()
    // The first time, files come from the disk.
    for path in files { _ = try decoder.decode(path: path) }
    let milliseconds = try files.map { path in
      try clock.measure { _ = try decoder.decode(path: path) } / .milliseconds(1)
    }
    try emit(
      try jsonLine(
        DecodeResult(settings: settings, size: "\(inputSize)", milliseconds: milliseconds)))
  }
}

/// What the benchmark of decoding prints; times are a picture's.
private struct DecodeResult: Encodable {
  let bench = "decode"
  let decode: String
  let interpolation: String
  let size: String
  let count: Int
  let mean_ms: Double
  let median_ms: Double
  let minimum_ms: Double

  init(settings: PictureSettings, size: String, milliseconds: [Double]) {
    decode = settings.decoding.rawValue
    interpolation = settings.interpolation.rawValue
    self.size = size
    count = milliseconds.count
    mean_ms = milliseconds.reduce(0, +) / Double(milliseconds.count)
    (median_ms, minimum_ms) = medianAndMinimum(milliseconds)
  }
}
