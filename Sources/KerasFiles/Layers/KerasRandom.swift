import Engine

// Dogsled draws from its own seed.
extension RandomLayer: KerasLayer {
  package var kerasClass: String { Self.names[change] ?? "" }

  private static let names: [Change: String] = [
    .flip: "RandomFlip", .rotation: "RandomRotation", .translation: "RandomTranslation",
    .zoom: "RandomZoom", .brightness: "RandomBrightness", .contrast: "RandomContrast",
  ]

  package static let classes: [String: [String: KerasArgument]] = {
    let any = KerasArgument.common.merging([
      "seed": .trained(nil), "data_format": KerasArgument.channelsLast, "rng_type": .harmless,
    ]) { $1 }
    let moving = any.merging([
      "fill_mode": .computed, "fill_value": .computed, "interpolation": .computed,
    ]) { $1 }
    let along: [String: KerasArgument] = ["height_factor": .computed, "width_factor": .computed]
    let shading = any.merging(["factor": .computed, "value_range": .computed]) { $1 }
    return [
      "RandomFlip": any.merging(["mode": .computed]) { $1 },
      "RandomRotation": moving.merging(["factor": .computed]) { $1 },
      "RandomTranslation": moving.merging(along) { $1 },
      "RandomZoom": moving.merging(along) { $1 },
      "RandomBrightness": shading, "RandomContrast": shading,
    ]
  }()

  private static let modes: [(mode: String, flips: (horizontal: Bool, vertical: Bool))] = [
    ("horizontal_and_vertical", (true, true)), ("horizontal", (true, false)),
    ("vertical", (false, true)),
  ]

  package init(reading reader: LayerReader) throws {
    self.init(Self.names.first { $0.value == reader.kind }?.key ?? .flip)
    switch change {
    case .flip:
      let mode = reader.config["mode"] ?? "horizontal_and_vertical"
      guard let known = Self.modes.first(where: { .string($0.mode) == mode }) else {
        throw reader.refusal("mode", Self.modes.map(\.mode).joined(separator: ", "))
      }
      flips = known.flips
      return
    case .rotation, .brightness: range = try reader.range("factor", from: -1)
    case .contrast:
      // Of Keras 2: one number says how far either way, as two say.
      let factor = reader.config["factor"]?.number.map(Float.init)
      range = try factor.map { $0...$0 } ?? reader.range("factor", from: 0)
    case .translation, .zoom:
      range = try reader.range("height_factor", from: -1)
      if reader.config["width_factor"] ?? nil != nil || change == .translation {
        widthRange = try reader.range("width_factor", from: -1)
      }
    }
    if change == .brightness || change == .contrast {
      pixels = try reader.range("value_range", default: 0...255)
      return
    }
    fillMode = try reader.word("fill_mode", of: ["reflect", "constant", "wrap", "nearest"])
    interpolation = try reader.word("interpolation", of: ["bilinear", "nearest"])
    fillValue = try reader.number("fill_value", default: 0)
  }

  package var configuration: [String: JSON] {
    let factor = JSON(range)
    switch change {
    case .flip:
      let mode = Self.modes.first { $0.flips == flips }?.mode ?? ""
      return ["mode": .string(mode), "seed": nil]
    case .brightness, .contrast:
      return ["factor": factor, "value_range": JSON(pixels), "seed": nil]
    case .rotation: return moving.merging(["factor": factor]) { $1 }
    case .translation, .zoom:
      return moving.merging([
        "height_factor": factor, "width_factor": widthRange.map { JSON($0) } ?? nil,
      ]) { $1 }
    }
  }

  private var moving: [String: JSON] {
    [
      "fill_mode": .string(fillMode), "fill_value": JSON(shortest: fillValue),
      "interpolation": .string(interpolation), "seed": nil,
    ]
  }
}

extension LayerReader {
  /// Two numbers, or one for both directions.
  fileprivate func range(
    _ setting: String, from least: Float? = nil, default absent: ClosedRange<Float>? = nil
  ) throws -> ClosedRange<Float> {
    if config[setting] == nil, let absent { return absent }
    let numbers = try numbers(setting)
    let ends = numbers.count == 1 ? [-abs(numbers[0]), abs(numbers[0])] : numbers
    guard ends.count == 2, ends[0] <= ends[1], least.map({ $0 <= ends[0] }) ?? true else {
      throw refusal(setting, "one number, or two, the smaller first")
    }
    return ends[0]...ends[1]
  }

  /// One of some words; the first where none is given.
  fileprivate func word(_ setting: String, of words: [String]) throws -> String {
    guard let word = words.first(where: { .string($0) == config[setting] ?? .string(words[0]) })
    else { throw refusal(setting, words.joined(separator: ", ")) }
    return word
  }
}

extension JSON {
  fileprivate init(_ range: ClosedRange<Float>) {
    self = [JSON(shortest: range.lowerBound), JSON(shortest: range.upperBound)]
  }
}
