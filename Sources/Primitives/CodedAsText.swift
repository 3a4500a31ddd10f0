/// A value that a user writes as text, and that a file holds as that text.
public protocol CodedAsText: LosslessStringConvertible, Codable {}

extension CodedAsText {
  /// - Throws: `DecodingError` where the text is none of these values'.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    let text = try container.decode(String.self)
    guard let value = Self(text) else {
      throw DecodingError.dataCorruptedError(
        in: container, debugDescription: "\(text): no \(Self.self)")
    }
    self = value
  }

  /// Writes the text.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(description)
  }
}
