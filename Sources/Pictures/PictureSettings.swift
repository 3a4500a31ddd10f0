/// How a JPEG becomes a picture of the model's size: part of what decides the weights.
public struct PictureSettings: Hashable, Sendable, LosslessStringConvertible {
  /// How accurately JPEGs are decoded.
  public enum Decoding: String, Codable, CaseIterable, Sendable {
    /// As Pillow does: every pixel, accurate DCT, fancy upsampling.
    case exact
    /// At the smallest scale of 1, 1/2, 1/4 and 1/8 that is still at least the model's size, with
    /// a less accurate DCT.
    case fast
  }

  /// How accurately JPEGs are decoded.
  public var decoding: Decoding
  /// How pictures are brought to the model's size.
  public var interpolation: Interpolation

  /// The default is what Keras does.
  public init(decoding: Decoding = .exact, interpolation: Interpolation = .nearest) {
    (self.decoding, self.interpolation) = (decoding, interpolation)
  }

  /// From `exact nearest`; nil for anything else.
  public init?(_ description: String) {
    let words = description.split(separator: " ", omittingEmptySubsequences: false)
    guard words.count == 2, let decoding = Decoding(rawValue: String(words[0])),
      let interpolation = Interpolation(rawValue: String(words[1]))
    else { return nil }
    self.init(decoding: decoding, interpolation: interpolation)
  }

  /// `exact nearest`.
  public var description: String { "\(decoding.rawValue) \(interpolation.rawValue)" }
}
