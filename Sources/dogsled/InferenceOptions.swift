import ArgumentParser
import Engine
import Foundation
import Pictures
import Training

/// What `evaluate` and `predict` share: how a trained model is run.
struct InferenceOptions: ParsableArguments {
  @Option(parsing: .unconditional, help: "Pictures that are computed at a time.")
  var batchSize = 20

  @OptionGroup var threading: ThreadOptions

  @Option(
    help: """
      How pictures are resized (nearest, bilinear, area); the default is what the model was \
      trained with.
      """)
  var interpolation: Interpolation?

  @Option(
    help: """
      How JPEGs are decoded (exact, fast); the default is what the model was trained with.
      """)
  var decode: PictureSettings.Decoding?

  @Option(
    help: ArgumentHelp(
      "The classes' names, or folders, in the order of the model's outputs; the default is what "
        + "the model was trained on.", valueName: "a,b"))
  var classes: ClassNames?

  func validate() throws {
    guard (1...4096).contains(batchSize) else {
      throw ValidationError("--batch-size must be from 1 to 4096, not \(batchSize)")
    }
  }

  /// An engine for `model`, with memory for a batch of at most `pictures`.
  func engine(for model: ModelFile, pictures: Int) throws -> Engine {
    try Engine(
      model.architecture, batchCapacity: max(1, min(batchSize, pictures)),
      threads: threading.count, kernels: try KernelSet.chosen())
  }

  /// What the options say, else what `model` was trained with, else Keras's way.
  func pictures(for model: ModelFile) -> PictureSettings {
    var settings = model.pictures ?? PictureSettings()
    settings.interpolation = interpolation ?? settings.interpolation
    settings.decoding = decode ?? settings.decoding
    return settings
  }
}
