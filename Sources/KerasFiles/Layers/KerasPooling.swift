import Engine

extension Pooling: KerasLayer {
  private static let windowed = KerasArgument.common.merging([
    "pool_size": .computed, "strides": .computed, "padding": .computed,
    "data_format": KerasArgument.channelsLast,
  ]) { $1 }
  private static let global = KerasArgument.common.merging([
    "data_format": KerasArgument.channelsLast, "keepdims": .only(false),
  ]) { $1 }

  package static let classes = [
    "MaxPooling2D": windowed, "AveragePooling2D": windowed, "GlobalMaxPooling2D": global,
    "GlobalAveragePooling2D": global,
  ]

  package init(reading reader: LayerReader) throws {
    self.init(reader.kind.hasSuffix("MaxPooling2D") ? .max : .average, size: 1)
    isGlobal = reader.kind.hasPrefix("Global")
    guard !isGlobal else { return }
    windows.kernel = try reader.pair("pool_size")
    windows.strides = try reader.pair("strides", default: windows.kernel)
    windows.padding = try reader.padding()
  }

  package var kerasClass: String {
    let windowed = rule == .max ? "MaxPooling2D" : "AveragePooling2D"
    return isGlobal ? "Global" + windowed : windowed
  }

  package var configuration: [String: JSON] {
    guard !isGlobal else { return ["data_format": "channels_last", "keepdims": false] }
    return [
      "pool_size": JSON(windows.kernel), "strides": JSON(windows.strides),
      "padding": .string(windows.padding.rawValue), "data_format": "channels_last",
    ]
  }
}
