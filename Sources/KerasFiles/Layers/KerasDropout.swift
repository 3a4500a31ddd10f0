import Engine

extension Dropout: KerasLayer {
  package static let kerasClass = "Dropout"

  // Dogsled draws from its own seed.
  package static let arguments = KerasArgument.common.merging([
    "rate": .computed, "seed": .trained(nil), "noise_shape": .trained(nil),
  ]) { $1 }

  package init(reading reader: LayerReader) throws { self.init(rate: try reader.dropRate()) }

  package var configuration: [String: JSON] {
    ["rate": JSON(shortest: rate), "seed": nil, "noise_shape": nil]
  }
}
