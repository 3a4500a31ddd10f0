import Engine

extension Framing: KerasLayer {
  package static let classes = [
    "ZeroPadding2D": KerasArgument.common.merging([
      "padding": .computed, "data_format": KerasArgument.channelsLast,
    ]) { $1 },
    "Cropping2D": KerasArgument.common.merging([
      "cropping": .computed, "data_format": KerasArgument.channelsLast,
    ]) { $1 },
  ]

  package init(reading reader: LayerReader) throws {
    let crops = reader.kind == "Cropping2D"
    let argument = Self.argument(crops)
    // One number, one for rows and one for columns, or two of each.
    let value = reader.config[argument] ?? .integer(crops ? 0 : 1)
    let pairs = (value.array ?? [value, value]).map { ($0.array ?? [$0, $0]).map(\.integer) }
    let sizes = pairs.flatMap { $0 }.compactMap { $0 }
    guard pairs.count == 2, pairs.allSatisfy({ $0.count == 2 }), sizes.count == 4,
      sizes.allSatisfy((0...4096).contains)
    else {
      throw reader.refusal(argument, "numbers from 0 to 4096, as ((top, bottom), (left, right))")
    }
    let sign = crops ? -1 : 1
    self.init(
      top: sign * sizes[0], bottom: sign * sizes[1], left: sign * sizes[2],
      right: sign * sizes[3], crops: crops)
  }

  private static func argument(_ crops: Bool) -> String { crops ? "cropping" : "padding" }

  package var kerasClass: String { crops ? "Cropping2D" : "ZeroPadding2D" }

  package var configuration: [String: JSON] {
    [
      Self.argument(crops): [
        JSON((abs(top), abs(bottom))), JSON((abs(left), abs(right))),
      ],
      "data_format": "channels_last",
    ]
  }
}

extension UpSampling: KerasLayer {
  package static let classes = [
    "UpSampling2D": KerasArgument.common.merging([
      "size": .computed, "interpolation": .only("nearest"),
      "data_format": KerasArgument.channelsLast,
    ]) { $1 }
  ]

  package init(reading reader: LayerReader) throws {
    self.init(size: try reader.pair("size", default: (2, 2)))
  }

  package var kerasClass: String { "UpSampling2D" }

  package var configuration: [String: JSON] {
    ["size": JSON(size), "interpolation": "nearest", "data_format": "channels_last"]
  }
}

extension Reshape: KerasLayer {
  package static let classes = [
    "Reshape": KerasArgument.common.merging(["target_shape": .computed]) { $1 }
  ]

  package init(reading reader: LayerReader) throws {
    let sizes = reader.config["target_shape"]?.array?.map(\.integer) ?? []
    guard [1, 3].contains(sizes.count), sizes.allSatisfy({ $0 != nil }) else {
      throw reader.refusal("target_shape", "one number, or three")
    }
    self.init(sizes.compactMap(\.self))
  }

  package var kerasClass: String { "Reshape" }

  package var configuration: [String: JSON] {
    ["target_shape": .array(target.map(JSON.integer))]
  }
}
