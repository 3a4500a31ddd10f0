/// How a picture is resized: by the names that `--interpolation` takes.
public enum Interpolation: String, CaseIterable, Codable, Sendable {
  /// One source pixel each: PIL's NEAREST and Keras's default.
  case nearest
  /// A triangle filter, wide enough not to alias: PIL's BILINEAR.
  case bilinear
  /// The mean over the area that a pixel covers: PIL's BOX.
  case area
}

/// Resizing, equal to the byte to Pillow's `Image.resize` of an RGB picture.
package enum Resize {
  /// `picture` at `height` x `width` pixels (both at least 1).
  package static func resize(
    _ picture: DecodedPicture, height: Int, width: Int, _ interpolation: Interpolation
  ) throws(PictureError) -> DecodedPicture {
    if (picture.height, picture.width) == (height, width) { return picture }
    switch interpolation {
    case .nearest: return try nearest(picture, height: height, width: width)
    case .bilinear: return try resample(picture, height: height, width: width, .triangle)
    case .area: return try resample(picture, height: height, width: width, .box)
    }
  }

  private static func nearest(
    _ picture: DecodedPicture, height: Int, width: Int
  ) throws(PictureError) -> DecodedPicture {
    let rows = positions(from: picture.height, to: height)
    let columns = positions(from: picture.width, to: width).map { $0 * 3 }
    return try DecodedPicture(height: height, width: width) { out in
      var pixel = out.baseAddress!
      for row in rows {
        let source = picture.bytes + row * picture.width * 3
        for column in columns {
          pixel[0] = source[column]
          pixel[1] = source[column + 1]
          pixel[2] = source[column + 2]
          pixel += 3
        }
      }
    }
  }

  /// The source index of each of `count` places, which is floor((i + 0.5) * scale).
  ///
  /// Summed step by step, as Pillow does: the rounding of the sum decides some places.
  private static func positions(from source: Int, to count: Int) -> [Int] {
    let scale = Double(source) / Double(count)
    var position = scale * 0.5
    return (0..<count).map { _ in
      defer { position += scale }
      return min(Int(position), source - 1)
    }
  }
}
