import Engine

extension Merging: KerasLayer {
  private static let rules: [String: Rule] = [
    "Add": .add, "Multiply": .multiply, "Average": .average,
  ]

  package static let classes = rules.mapValues { _ in KerasArgument.common }

  package init(reading reader: LayerReader) throws {
    guard let rule = Self.rules[reader.kind] else { throw reader.unknownKind }
    self.init(rule)
  }

  package var kerasClass: String { Self.rules.first { $0.value == rule }?.key ?? "Add" }

  package var configuration: [String: JSON] { [:] }
}

extension Concatenation: KerasLayer {
  package static let classes = [
    "Concatenate": KerasArgument.common.merging(["axis": .computed]) { $1 }
  ]

  package init(reading reader: LayerReader) throws {
    self.init()
    axis = try reader.channelAxis()
  }

  package var kerasClass: String { "Concatenate" }

  package var configuration: [String: JSON] { ["axis": .integer(axis ?? -1)] }
}
