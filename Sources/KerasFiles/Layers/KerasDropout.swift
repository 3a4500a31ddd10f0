import Engine

extension Dropout: KerasLayer {
  package var takesTrainable: Bool { grain != .channel }

  package var kerasClass: String { grain == .channel ? "SpatialDropout2D" : "Dropout" }

  // Dogsled draws from its own seed.
  package static let classes = [
    "Dropout": KerasArgument.common.merging([
      "rate": .computed, "seed": .trained(nil), "noise_shape": noiseShape,
    ]) { $1 },
    "SpatialDropout2D": KerasArgument.common.merging([
      "rate": .computed, "seed": .trained(nil), "noise_shape": .trained(nil),
      "data_format": KerasArgument.channelsLast,
    ]) { $1 },
  ]

  private static let noiseShape = KerasArgument(
    role: .refusedInTraining, known: "null and [null, 1, 1, 1]",
    accepts: { $0 == .null || $0 == ofPictures })
  private static let ofPictures: JSON = [nil, 1, 1, 1]

  package init(reading reader: LayerReader) throws {
    self.init(rate: try reader.dropRate())
    if reader.kind == "SpatialDropout2D" {
      grain = .channel
    } else if reader.config["noise_shape"] == Self.ofPictures {
      grain = .picture
    }
  }

  package var configuration: [String: JSON] {
    let own: [String: JSON] =
      switch grain {
      case .number: ["noise_shape": nil]
      case .channel: ["data_format": "channels_last"]
      case .picture: ["noise_shape": Self.ofPictures]
      }
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
