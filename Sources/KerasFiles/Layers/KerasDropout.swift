import Engine

extension Dropout: KerasLayer {
  package var kerasClass: String { "Dropout" }

  // Dogsled draws from its own seed.
  package static let classes = [
    "Dropout": KerasArgument.common.merging([
      "rate": .computed, "seed": .trained(nil), "noise_shape": .trained(nil),
    ]) { $1 }
  ]

  package init(reading reader: LayerReader) throws { self.init(rate: try reader.dropRate()) }

  package var configuration: [String: JSON] {
    ["rate": JSON(shortest: rate), "seed": nil, "noise_shape": nil]
  }
}
