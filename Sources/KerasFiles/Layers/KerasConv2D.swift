import Engine

extension Convolution: KerasLayer {
  package static let kerasClass = "Conv2D"

  package static let arguments = KerasArgument.trainable.merging([
    "filters": .computed, "kernel_size": .computed, "strides": .computed, "padding": .computed,
    "dilation_rate": .only(1, [1, 1]), "groups": .only(1),
    "data_format": KerasArgument.channelsLast,
  ]) { $1 }

  package init(reading reader: LayerReader) throws {
    self.init(filters: try reader.integer("filters"))
    kernel = try reader.pair("kernel_size")
    strides = try reader.pair("strides", default: (1, 1))
    padding = try reader.padding()
    activation = try reader.activation([.linear, .relu, .sigmoid])
    usesBias = try reader.flag("use_bias", default: true)
  }

  package var configuration: [String: JSON] {
    [
      "filters": .integer(filters), "kernel_size": JSON(kernel), "strides": JSON(strides),
      "padding": .string(padding.rawValue), "activation": .string(activation.rawValue),
      "data_format": "channels_last", "dilation_rate": [1, 1], "use_bias": .bool(usesBias),
    ]
  }
}
