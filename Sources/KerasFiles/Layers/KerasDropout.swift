import Engine

extension Dropout: KerasLayer {
  package var takesTrainable: Bool { !isSpatial }

  package var kerasClass: String { isSpatial ? "SpatialDropout2D" : "Dropout" }

  // Dogsled draws from its own seed.
  package static let classes = [
    "Dropout": KerasArgument.common.merging([
      "rate": .computed, "seed": .trained(nil), "noise_shape": .trained(nil),
    ]) { $1 },
    "SpatialDropout2D": KerasArgument.common.merging([
      "rate": .computed, "seed": .trained(nil), "noise_shape": .trained(nil),
      "data_format": KerasArgument.channelsLast,
    ]) { $1 },
  ]

  package init(reading reader: LayerReader) throws {
    self.init(rate: try reader.dropRate())
    isSpatial = reader.kind == "SpatialDropout2D"
  }

  package var configuration: [String: JSON] {
    let own: [String: JSON] =
      isSpatial ? ["data_format": "channels_last"] : ["noise_shape": nil]
    return own.merging(["rate": JSON(shortest: rate), "seed": nil]) { $1 }
  }
}

extension GaussianNoise: KerasLayer {
  package var kerasClass: String { "GaussianNoise" }

  // Dogsled draws from its own seed.
  package static let classes = [
    "GaussianNoise": KerasArgument.common.merging([
      "stddev": .computed, "seed": .trained(nil),
    ]) { $1 }
  ]

  package init(reading reader: LayerReader) throws {
    self.init(deviation: try reader.number("stddev", default: .nan))
    guard deviation >= 0 else { throw reader.refusal("stddev", "those from 0 on") }
  }

  package var configuration: [String: JSON] {
    ["stddev": JSON(shortest: deviation), "seed": nil]
  }
}
