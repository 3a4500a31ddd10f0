import Engine

extension Flatten: KerasLayer {
  package static let kerasClass = "Flatten"

  package static let arguments = KerasArgument.common.merging([
    "data_format": KerasArgument.channelsLast
  ]) { $1 }

  package init(reading reader: LayerReader) { self.init() }

  package var configuration: [String: JSON] { ["data_format": "channels_last"] }
}
