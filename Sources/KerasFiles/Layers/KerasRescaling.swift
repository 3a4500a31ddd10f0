import Engine

extension Rescaling: KerasLayer {
  package static let classes = [
    "Rescaling": KerasArgument.common.merging(["scale": .computed, "offset": .computed]) { $1 }
  ]

  package init(reading reader: LayerReader) throws {
    self.init(
      scale: try reader.numbers("scale"), offset: try reader.numbers("offset", default: [0]))
  }

  package var kerasClass: String { "Rescaling" }

  package var configuration: [String: JSON] { ["scale": JSON(scale), "offset": JSON(offset)] }
}

extension Normalization: KerasLayer {
  package static let classes = [
    "Normalization": KerasArgument.common.merging([
      "axis": .computed, "mean": .computed, "variance": .computed, "invert": .computed,
      // That of `adapt`, whose weights are in the file.
      "input_mean": .only(nil), "input_variance": .only(nil),
    ]) { $1 }
  ]

  package init(reading reader: LayerReader) throws {
    self.init()
    axis = try reader.channelAxis()
    inverts = try reader.flag("invert", default: false)
    let names = ["mean", "variance"].filter { reader.config[$0] != nil }
    guard names.count != 1 else {
      throw reader.refusal(
        names[0] == "mean" ? "variance" : "mean", "a mean and a variance, or none of the two")
    }
    if !names.isEmpty {
      moments = (try reader.numbers("mean"), try reader.numbers("variance"))
    }
  }

  package var kerasClass: String { "Normalization" }

  package var configuration: [String: JSON] {
    [
      "axis": .integer(axis ?? -1), "invert": .bool(inverts),
      "mean": moments.map { JSON($0.mean) } ?? nil,
      "variance": moments.map { JSON($0.variance) } ?? nil,
    ]
  }
}

extension LayerReader {
  /// Keras's number of the dimension that has the channels: 3 of a map, 1 of a flat layer; nil for
  /// the last, whatever it is.
  func channelAxis() throws -> Int? {
    let axis = config["axis"] ?? -1
    guard let number = axis.integer ?? axis.array.flatMap({ $0.count == 1 ? $0[0].integer : nil }),
      [-1, 1, 3].contains(number)
    else { throw refusal("axis", "the channels, -1") }
    return number == -1 ? nil : number
  }

  /// One number or several; lists of one, as Keras may write an array, count as what they hold.
  func numbers(_ setting: String, default absent: [Float]? = nil) throws -> [Float] {
    if config[setting] == nil, let absent { return absent }
    // tf.keras may write an array as an object of its values.
    var value = config[setting]?["config"]?["value"] ?? config[setting]
    while let inner = value?.array, inner.count == 1, inner[0].array != nil { value = inner[0] }
    let numbers = value?.array ?? value.map { [$0] } ?? []
    let floats = numbers.compactMap { $0.number.map(Float.init) }
    guard !floats.isEmpty, floats.count == numbers.count, floats.allSatisfy(\.isFinite) else {
      throw refusal(setting, "a number, or one a channel")
    }
    return floats
  }
}

extension JSON {
  /// A number, or a list where there are several.
  fileprivate init(_ numbers: [Float]) {
    self =
      numbers.count == 1
      ? JSON(shortest: numbers[0]) : .array(numbers.map { JSON(shortest: $0) })
  }
}
