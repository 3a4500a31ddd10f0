import Primitives

/// What tells a public key from all others: SHA-256 of its DER form (SubjectPublicKeyInfo).
public struct Fingerprint: Hashable, Sendable, CustomStringConvertible {
  /// Bytes of a fingerprint.
  public static let byteCount = 32

  /// The bytes.
  package let bytes: [UInt8]

  /// These bytes; nil where they are not as many as must be.
  package init?(_ bytes: some Collection<UInt8>) {
    guard bytes.count == Self.byteCount else { return nil }
    self.bytes = Array(bytes)
  }

  /// `Base64URL`.
  public var description: String { Base64URL.text(bytes) }
}

extension Fingerprint: Codable {
  /// Reads `Base64URL`.
  /// - Throws: `DecodingError` where it is no fingerprint.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    guard let bytes = Base64URL.bytes(try container.decode(String.self)),
      let fingerprint = Fingerprint(bytes)
    else {
      throw DecodingError.dataCorruptedError(in: container, debugDescription: "no fingerprint")
    }
    self = fingerprint
  }

  /// Writes `Base64URL`.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(description)
  }
}
