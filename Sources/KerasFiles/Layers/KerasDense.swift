import Engine

extension Dense: KerasLayer {
  package static let regularizers = ["kernel_regularizer"]

  package var kerasClass: String { "Dense" }

  package static let classes = [
    "Dense": KerasArgument.trainable.merging(["units": .computed]) { $1 }
  ]

  package init(reading reader: LayerReader) throws {
    self.init(
      units: try reader.integer("units"),
      activation: try reader.activation())
    usesBias = try reader.flag("use_bias", default: true)
  }

  package var configuration: [String: JSON] {
    [
      "units": .integer(units), "activation": KerasActivation.name(activation),
      "use_bias": .bool(usesBias),
    ]
  }
}
