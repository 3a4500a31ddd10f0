import Engine

extension Convolution: KerasLayer {
  package static let regularizers = ["kernel_regularizer"]

  package static let classes = [
    "Conv2D": KerasArgument.trainable.merging([
      "filters": .computed, "kernel_size": .computed, "strides": .computed, "padding": .computed,
      "dilation_rate": .computed, "groups": .computed,
      "data_format": KerasArgument.channelsLast,
    ]) { $1 }
  ]

  package init(reading reader: LayerReader) throws {
    try self.init(windowsOf: reader, filters: try reader.integer("filters"))
    groups = try reader.integer("groups", default: 1)
  }

  package var kerasClass: String { "Conv2D" }

  package var configuration: [String: JSON] {
    // Runs of before have no word of groups in their description.
    let own: [String: JSON] = groups == 1 ? [:] : ["groups": .integer(groups)]
    return windowConfiguration.merging(own.merging(["filters": .integer(filters)]) { $1 }) { $1 }
  }

  /// The arguments that convolutions of all kinds have.
  init(windowsOf reader: LayerReader, filters: Int) throws {
    self.init(filters: filters)
    kernel = try reader.pair("kernel_size")
    strides = try reader.pair("strides", default: (1, 1))
    dilation = try reader.pair("dilation_rate", default: (1, 1))
    padding = try reader.padding()
    activation = try reader.activation()
    usesBias = try reader.flag("use_bias", default: true)
  }

  /// The arguments that convolutions of all kinds have.
  var windowConfiguration: [String: JSON] {
    [
      "kernel_size": JSON(kernel), "strides": JSON(strides),
      "padding": .string(padding.rawValue), "activation": KerasActivation.name(activation),
      "data_format": "channels_last", "dilation_rate": JSON(dilation), "use_bias": .bool(usesBias),
    ]
  }
}
