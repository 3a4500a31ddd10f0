import Primitives

/// A small copy of a picture, for pages that people look at.
public enum Thumbnail {
  /// The JPEG file at `path` as a smaller one, in its own proportions.
  /// - Parameter side: the most pixels of a side; at least 1.
  /// - Throws: `PictureError` that names the file where it cannot be decoded.
  public static func jpeg(of path: String, side: Int) throws(PictureError) -> [UInt8] {
    let file = try FileBytes(path: path)
    do {
      return try JPEG.decode(file.bytes, least: (side, side)) { picture throws(PictureError) in
        let longest = max(picture.height, picture.width)
        func scaled(_ pixels: Int) -> Int {
          longest <= side ? pixels : max(1, (pixels * side + longest / 2) / longest)
        }
        let small = try Resize.resize(
          picture, height: scaled(picture.height), width: scaled(picture.width), .area)
        return try JPEG.encode(small, quality: 85)
      }
    } catch {
      throw error.about(path)
    }
  }
}
