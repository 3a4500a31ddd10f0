import ArgumentParser
import Foundation
import Pictures
import Primitives
import Runs

/// `dogsled augment`: what training would make of a picture, to look at.
struct Augment: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Draw a contact sheet of what augmentation makes of a picture.",
    discussion: """
      Draws the picture as so many passes over the data would change it, the first of them of the \
      set's first picture. Without an option that says how, that is as with --augment.

      Example: dogsled augment pets/train/cats/cat.0.jpg --count 8 --output sheet.png
      """)

  @Argument(help: "A JPEG file.", completion: .file(extensions: ["jpg", "jpeg"]))
  var file: String

  @Option(parsing: .unconditional, help: "Pictures to draw, 1 to 1000.") var count = 8

  @Option(
    help: ArgumentHelp("The sheet to write: .png.", valueName: "file"),
    completion: .file(extensions: ["png"]))
  var output: String

  @OptionGroup var augmentation: AugmentationOptions

  @Option(parsing: .unconditional, help: "Random seed.") var seed: UInt64 = 1

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Rows and columns of each picture.", valueName: "hxw"))
  var inputSize = InputSize(height: 150, width: 150)

  @Option(help: "How JPEGs are decoded: exact or fast.")
  var decode = PictureSettings.Decoding.exact

  @Option(help: "How pictures are resized: nearest, bilinear or area.")
  var interpolation = Interpolation.nearest

  func validate() throws {
    guard (1...1000).contains(count) else {
      throw ValidationError("--count must be from 1 to 1000, not \(count)")
    }
    guard output.hasSuffix(".png") else {
      throw ValidationError("--output \(output): a sheet is drawn as .png")
    }
    try augmentation.check()
  }

  func run() throws {
    let settings = augmentation.orBook
    let decoder = PictureDecoder(
      PictureSettings(decoding: decode, interpolation: interpolation),
      height: inputSize.height, width: inputSize.width)
    let picture = try decoder.decode(path: file)
    let sheet = try ContactSheet(of: picture, settings, seed: seed, count: count)
    try sheet.write(to: output)
    try emit(output)
  }
}
