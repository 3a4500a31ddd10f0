import Engine

extension Flatten: KerasLayer {
  package var kerasClass: String { "Flatten" }

  package static let classes = [
    "Flatten": KerasArgument.common.merging([
      "data_format": KerasArgument.channelsLast
    ]) { $1 }
  ]

  package init(reading reader: LayerReader) { self.init() }

  package var configuration: [String: JSON] { ["data_format": "channels_last"] }
}
