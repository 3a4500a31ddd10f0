import ArgumentParser
import Pictures
import Runs

extension Augmentation.FillMode: ExpressibleByArgument {}

extension FactorRange: ExpressibleByArgument {}

/// The options of the hyper-parameters that say how training pictures are changed.
struct AugmentationOptions: ParsableArguments {
  @Flag(
    help: """
      Change training pictures at random, as the book does: --rotation 40 --width-shift 0.2 \
      --height-shift 0.2 --shear 0.2 --zoom 0.2 --horizontal-flip; what is given beside it holds.
      """)
  var augment = false

  @Option(\.augmentation.rotation, valueName: "degrees") var rotation: Float?
  @Option(\.augmentation.widthShift, valueName: "fraction") var widthShift: Float?
  @Option(\.augmentation.heightShift, valueName: "fraction") var heightShift: Float?
  @Option(\.augmentation.shear, valueName: "degrees") var shear: Float?
  @Option(\.augmentation.zoom, valueName: "z") var zoom: FactorRange?
  @Flag(\.augmentation.keepsAspect) var keepAspect: Bool?
  @Flag(\.augmentation.horizontalFlip) var horizontalFlip: Bool?
  @Flag(\.augmentation.verticalFlip) var verticalFlip: Bool?
  @Option(\.augmentation.brightness, valueName: "b") var brightness: FactorRange?
  @Option(\.augmentation.fillMode, valueName: "mode") var fillMode: Augmentation.FillMode?

  /// What was given, without `--augment`.
  var given: [GivenValue] {
    [
      GivenValue(\.augmentation.rotation, rotation),
      GivenValue(\.augmentation.widthShift, widthShift),
      GivenValue(\.augmentation.heightShift, heightShift),
      GivenValue(\.augmentation.shear, shear), GivenValue(\.augmentation.zoom, zoom),
      GivenValue(\.augmentation.keepsAspect, keepAspect),
      GivenValue(\.augmentation.horizontalFlip, horizontalFlip),
      GivenValue(\.augmentation.verticalFlip, verticalFlip),
      GivenValue(\.augmentation.brightness, brightness),
      GivenValue(\.augmentation.fillMode, fillMode),
    ].compactMap { $0 }
  }

  /// What the options say, and what `--augment` says where none was given: for verbs that do
  /// nothing but augment.
  var orBook: Augmentation {
    if given.isEmpty { return .book }
    return given.reduce(into: preset(over: Hyperparameters())) { $1.set(&$0) }.augmentation
  }

  /// For verbs that have no other hyper-parameters.
  /// - Throws: `ValidationError` where a value is wrong.
  func check() throws {
    var values = Hyperparameters()
    values.augmentation = orBook
    do {
      try values.validate()
    } catch {
      throw ValidationError("\(error)")
    }
  }

  /// `base` with `--augment` where that was given.
  func preset(over base: Hyperparameters) -> Hyperparameters {
    var values = base
    if augment { values.augmentation = .book }
    return values
  }
}

extension Augmentation {
  /// What is done to the pictures, for the lines that a run begins with.
  var summary: String {
    let numbers: [(String, Float)] = [
      ("rotation", rotation), ("width shift", widthShift), ("height shift", heightShift),
      ("shear", shear),
    ]
    var parts = numbers.filter { $0.1 != 0 }.map { "\($0.0) \($0.1)" }
    if !zoom.isOne { parts.append("zoom \(zoom)\(keepsAspect ? ", which keeps shapes" : "")") }
    if horizontalFlip { parts.append("horizontal flip") }
    if verticalFlip { parts.append("vertical flip") }
    if !brightness.isOne { parts.append("brightness \(brightness)") }
    if movesPixels { parts.append("fill \(fillMode)") }
    return parts.joined(separator: ", ")
  }
}
