import Engine

extension Dense: KerasLayer {
  package static let kerasClass = "Dense"

  package static let arguments = KerasArgument.trainable.merging(["units": .computed]) { $1 }

  package init(reading reader: LayerReader) throws {
    self.init(
      units: try reader.integer("units"),
      activation: try reader.activation([.linear, .relu, .sigmoid, .softmax]))
    usesBias = try reader.flag("use_bias", default: true)
  }

  package var configuration: [String: JSON] {
    [
      "units": .integer(units), "activation": .string(activation.rawValue),
      "use_bias": .bool(usesBias),
    ]
  }
}
