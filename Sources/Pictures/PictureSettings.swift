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

  /// Decodes a JPEG file's bytes and brings the picture to `height` x `width`.
  /// - Throws: `PictureError` without a path.
  public func picture(
    _ data: UnsafeRawBufferPointer, height: Int, width: Int
  ) throws(PictureError) -> DecodedPicture {
    let least = decoding == .fast ? (height: height, width: width) : nil
    return try JPEG.decode(data, least: least) { picture throws(PictureError) in
      try Resize.resize(picture, height: height, width: width, interpolation)
    }
  }

  /// Reads the JPEG file at `path` and brings the picture to `height` x `width`.
  /// - Throws: `PictureError` that names the file.
  public func picture(
    path: String, height: Int, width: Int
  ) throws(PictureError) -> DecodedPicture {
    let file = try FileBytes(path: path)
    do {
      return try picture(file.bytes, height: height, width: width)
    } catch {
      throw error.about(path)
    }
  }
}
