import Primitives

/// 128 bits that whoever may take part knows, and nobody else.
///
/// It is printed nowhere by accident: what describes it does not hold it.
public struct Secret: Sendable, CustomStringConvertible, CustomReflectable {
  /// Bytes of a secret.
  public static let byteCount = 16

  /// The bytes.
  package let bytes: [UInt8]

  /// The first of `bytes`; nil where they are too few.
  package init?(_ bytes: some Collection<UInt8>) {
    guard bytes.count >= Self.byteCount else { return nil }
    self.bytes = Array(bytes.prefix(Self.byteCount))
  }

  /// A new one, from the system's generator for keys.
  public static func random() -> Secret {
    var generator = SystemRandomNumberGenerator()
    return Secret(unchecked: (0..<byteCount).map { _ in generator.next() })
  }

  private init(unchecked bytes: [UInt8]) { self.bytes = bytes }

  /// Not the secret.
  public var description: String { "a secret" }

  /// Not the secret.
  public var customMirror: Mirror { Mirror(self, children: [:]) }
}

extension Secret: Hashable {
  /// Compares all bytes whatever the first ones are: the time says nothing of how many are right.
  public static func == (one: Secret, other: Secret) -> Bool {
    var difference: UInt8 = 0
    for (a, b) in zip(one.bytes, other.bytes) { difference |= a ^ b }
    return difference == 0
  }

  /// Feeds all bytes.
  public func hash(into hasher: inout Hasher) { hasher.combine(bytes) }
}

extension Secret: Codable {
  /// Reads `Base64URL`.
  /// - Throws: `DecodingError` where it is no secret.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    guard let bytes = Base64URL.bytes(try container.decode(String.self)),
      bytes.count == Self.byteCount
    else {
      throw DecodingError.dataCorruptedError(in: container, debugDescription: "no secret")
    }
    self.bytes = bytes
  }

  /// Writes `Base64URL`, always as many characters.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(Base64URL.text(bytes))
  }
}
