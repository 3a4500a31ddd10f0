import Engine

extension LayerNormalization: KerasLayer {
  package static let classes = [
    "LayerNormalization": KerasArgument.common.merging([
      "trainable": .computed, "axis": .computed, "epsilon": .computed, "center": .computed,
      "scale": .computed, "rms_scaling": .only(false),
      "beta_initializer": KerasInitializer.argument,
      "gamma_initializer": KerasInitializer.argument, "beta_regularizer": .trained(nil),
      "gamma_regularizer": .trained(nil), "beta_constraint": .trained(nil),
      "gamma_constraint": .trained(nil),
    ]) { $1 }
  ]

  package init(reading reader: LayerReader) throws {
    self.init()
    axis = try reader.channelAxis()
    epsilon = try reader.number("epsilon", default: 1e-3)
    centers = try reader.flag("center", default: true)
    scales = try reader.flag("scale", default: true)
  }

  package var kerasClass: String { "LayerNormalization" }

  package var configuration: [String: JSON] {
    [
      "axis": .integer(axis ?? -1), "epsilon": JSON(shortest: epsilon), "center": .bool(centers),
      "scale": .bool(scales),
    ]
  }
}
