import ArgumentParser
import Engine
import Foundation
import KerasFiles
import Pictures

/// What `evaluate` and `predict` share: how a trained model is run.
struct InferenceOptions: ParsableArguments {
  @Option(parsing: .unconditional, help: "Pictures computed at a time.")
  var batchSize = 20

  @OptionGroup var threading: ThreadOptions

  @OptionGroup var weights: WeightsOption

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

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "The numbers that the network is fed, as 0..255 or -1..1; the default is what its file says, "
        + "or its first layer, else 0..1.", valueName: "low..high"))
  var inputRange: InputRange?

  @Flag(help: "Of a run's folder take the last epoch's model, not the best epoch's.")
  var last = false

  func validate() throws {
    guard (1...4096).contains(batchSize) else {
      throw ValidationError("--batch-size must be from 1 to 4096, not \(batchSize)")
    }
  }

  /// The file of the model that `path` names: of a run's folder that of its best epoch, or of its
  /// last.
  /// - Throws: where there is none, or `--last` says nothing about it.
  func file(of path: String) throws -> String {
    try NamedModel.file(path, last: last)
  }

  /// The names that `--classes` gives, else those that `model` knows; nil where it knows none.
  /// - Throws: where `--classes` gives another number than the model tells apart.
  func classNames(for model: ModelFile) throws -> ClassNames? {
    guard let classes else { return ClassNames(of: model) }
    let count = model.architecture.loss.classes
    guard classes.names.count == count else {
      throw ValidationError(
        "--classes gives \(classes.names.count) names, but the model tells \(count) classes apart")
    }
    return classes
  }

  /// An engine for `model`, with room for no more pictures at a time than there are.
  /// - Throws: `MemoryError` where there is no memory for it.
  func engine(for model: ModelFile, pictures: Int) throws -> Engine {
    let batch = min(batchSize, max(1, pictures))
    let architecture = try inputRange.map(model.architecture.feeding) ?? model.architecture
    try MemoryNeed.inference(architecture, batch: batch, threads: threading.count).check(
      "computing \(counted(batch, "picture")) at a time",
      advice: "choose a smaller --batch-size, or fewer --threads")
    return try Engine(
      architecture, batchCapacity: batch, labelSmoothing: model.labelSmoothing,
      threads: threading.count,
      kernels: try KernelSet.chosen())
  }

  /// Decodes as the options say, else as `model` was trained, else in Keras's way.
  func decoder(for model: ModelFile) -> PictureDecoder {
    var settings = model.pictures ?? PictureSettings()
    settings.interpolation = interpolation ?? settings.interpolation
    settings.decoding = decode ?? settings.decoding
    return PictureDecoder(settings, for: model.architecture.input)
  }
}
