import Engine

extension MaxPooling: KerasLayer {
  package static let kerasClass = "MaxPooling2D"

  package static let arguments = KerasArgument.common.merging([
    "pool_size": .computed, "strides": .computed, "padding": .only("valid"),
    "data_format": KerasArgument.channelsLast,
  ]) { $1 }

  package init(reading reader: LayerReader) throws {
    let size = try reader.pair("pool_size")
    guard size.height == size.width else { throw reader.refusal("pool_size", "only squares") }
    guard try reader.pair("strides", default: size) == size else {
      throw reader.refusal("strides", "only those equal to pool_size")
    }
    self.init(size: size.height)
  }

  package var configuration: [String: JSON] {
    [
      "pool_size": JSON((size, size)), "strides": JSON((size, size)), "padding": "valid",
      "data_format": "channels_last",
    ]
  }
}
