import Engine

extension BatchNormalization: KerasLayer {
  package static let classes = [
    "BatchNormalization": KerasArgument.common.merging([
      "trainable": .computed, "axis": .computed, "momentum": .computed,
      "epsilon": .computed, "center": .computed, "scale": .computed,
      "beta_initializer": KerasInitializer.argument, "gamma_initializer": KerasInitializer.argument,
      "moving_mean_initializer": KerasInitializer.argument,
      "moving_variance_initializer": KerasInitializer.argument, "beta_regularizer": .trained(nil),
      "gamma_regularizer": .trained(nil), "beta_constraint": .trained(nil),
      "gamma_constraint": .trained(nil), "synchronized": .trained(false),
      "renorm": .only(false), "renorm_clipping": .only(nil), "renorm_momentum": .harmless,
      "virtual_batch_size": .only(nil), "fused": .harmless, "adjustment": .only(nil),
    ]) { $1 }
  ]

  package init(reading reader: LayerReader) throws {
    self.init()
    axis = try reader.channelAxis()
    momentum = try reader.number("momentum", default: 0.99)
    epsilon = try reader.number("epsilon", default: 1e-3)
    centers = try reader.flag("center", default: true)
    scales = try reader.flag("scale", default: true)
  }

  package var kerasClass: String { "BatchNormalization" }

  package var configuration: [String: JSON] {
    [
      "axis": .integer(axis ?? -1), "momentum": JSON(shortest: momentum),
      "epsilon": JSON(shortest: epsilon), "center": .bool(centers), "scale": .bool(scales),
    ]
  }
}
