import Engine

extension KerasArgument {
  /// Those of a layer with a depthwise kernel, beside a convolution's.
  static let depthwise: [String: KerasArgument] = [
    "kernel_size": .computed, "strides": .computed, "padding": .computed,
    "dilation_rate": .computed, "data_format": channelsLast, "depth_multiplier": .computed,
    "depthwise_initializer": KerasInitializer.argument, "depthwise_regularizer": squares,
    "depthwise_constraint": .trained(nil),
  ]
}

extension DepthwiseConvolution: KerasLayer {
  package static let regularizers = ["depthwise_regularizer"]

  package static let classes = [
    // Keras 2 writes the arguments of a plain kernel too, which it does not use.
    "DepthwiseConv2D": KerasArgument.trainable.merging(KerasArgument.depthwise) { $1 }.merging([
      "groups": .harmless, "kernel_initializer": .harmless, "kernel_regularizer": .harmless,
      "kernel_constraint": .harmless, "filters": .harmless,
    ]) { $1 }
  ]

  package init(reading reader: LayerReader) throws {
    self.init(try Convolution(windowsOf: reader, filters: 1))
    multiplier = try reader.integer("depth_multiplier", default: 1)
  }

  package var kerasClass: String { "DepthwiseConv2D" }

  package var configuration: [String: JSON] {
    windows.windowConfiguration.merging(["depth_multiplier": .integer(multiplier)]) { $1 }
  }
}

extension SeparableConvolution: KerasLayer {
  package static let regularizers = ["depthwise_regularizer", "pointwise_regularizer"]

  package static let classes = [
    "SeparableConv2D": KerasArgument.trainable.merging(KerasArgument.depthwise) { $1 }.merging([
      "filters": .computed, "pointwise_initializer": KerasInitializer.argument,
      "pointwise_regularizer": KerasArgument.squares, "pointwise_constraint": .trained(nil),
      "groups": .harmless, "kernel_initializer": .harmless, "kernel_regularizer": .harmless,
      "kernel_constraint": .harmless,
    ]) { $1 }
  ]

  package init(reading reader: LayerReader) throws {
    self.init(try Convolution(windowsOf: reader, filters: try reader.integer("filters")))
    multiplier = try reader.integer("depth_multiplier", default: 1)
  }

  package var kerasClass: String { "SeparableConv2D" }

  package var configuration: [String: JSON] {
    convolution.windowConfiguration.merging([
      "filters": .integer(convolution.filters), "depth_multiplier": .integer(multiplier),
    ]) { $1 }
  }
}
