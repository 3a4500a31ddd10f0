import CJPEG
import Foundation

/// JPEG by libjpeg: the pixels that Pillow's `Image.open(file).convert("RGB")` gives.
public enum JPEG {
  /// Pictures with more pixels than this are refused before anything is allocated for them.
  public static let maximumPixels = 100_000_000

  /// Decodes a JPEG file's bytes.
  ///
  /// EXIF orientation is left alone, as Keras does. Damage that libjpeg only warns of is
  /// decoded as well as it can be, as Pillow does; data that end too early are an error.
  /// - Parameter least: decodes fast, at the smallest of libjpeg's scales 1, 1/2, 1/4 and 1/8 at
  ///   which the picture is at least so large.
  /// - Throws: `PictureError` without a path.
  public static func decode(
    _ data: UnsafeRawBufferPointer, least: (height: Int, width: Int)? = nil
  ) throws(PictureError) -> DecodedPicture {
    guard data.starts(with: [0xFF, 0xD8]) else { throw PictureError(otherFormat(data)) }
    var picture = cjpeg_picture()
    let size = cjpeg_size(width: Int32(least?.width ?? 0), height: Int32(least?.height ?? 0))
    let status = cjpeg_decode(
      data.baseAddress!.assumingMemoryBound(to: UInt8.self), data.count, maximumPixels, size,
      &picture)
    guard status == CJPEG_DONE, let pixels = picture.pixels else {
      throw PictureError(reason(status, picture))
    }
    return DecodedPicture(
      height: Int(picture.height), width: Int(picture.width), adopting: pixels)
  }

  /// Reads and decodes the file at `path`.
  /// - Throws: `PictureError` that names the file.
  public static func decode(path: String) throws(PictureError) -> DecodedPicture {
    let file = try FileBytes(path: path)
    do {
      return try decode(file.bytes)
    } catch {
      throw error.about(path)
    }
  }

  /// Encodes `picture` as baseline JPEG (4:2:0) at `quality` 1 to 100.
  /// - Throws: `PictureError` where a side is not 1 to 65,500 pixels.
  public static func encode(
    _ picture: DecodedPicture, quality: Int
  ) throws(PictureError) -> [UInt8] {
    let sides = 1...65_500
    guard sides.contains(picture.height), sides.contains(picture.width) else {
      throw PictureError(
        "a JPEG cannot be \(picture.width)x\(picture.height) pixels large: 1 to 65500 each way")
    }
    var data = cjpeg_data()
    let status = cjpeg_encode(
      picture.bytes, Int32(picture.width), Int32(picture.height), Int32(quality), &data)
    defer { free(data.bytes) }
    guard status == CJPEG_DONE, let bytes = data.bytes else {
      throw PictureError("cannot be encoded: \(text(data.message))")
    }
    return Array(UnsafeBufferPointer(start: bytes, count: Int(data.size)))
  }

  private static func reason(_ status: cjpeg_status, _ picture: cjpeg_picture) -> String {
    let size = "\(picture.width)x\(picture.height)"
    switch status {
    case CJPEG_TRUNCATED where picture.rows > 0:
      return "truncated: the data end after \(picture.rows) of \(picture.height) rows"
    case CJPEG_TRUNCATED:
      return "truncated: the data end before the picture does"
    case CJPEG_TOO_LARGE:
      return "\(size) pixels: more than the \(maximumPixels / 1_000_000) megapixels allowed"
    case CJPEG_COMPONENTS:
      return "\(picture.components) colour components: only 1, 3 and 4 are known"
    case CJPEG_MEMORY:
      return "\(size) pixels: not enough memory to decode it"
    default:
      return "not a readable JPEG: \(text(picture.message))"
    }
  }

  /// The text of a C array of characters.
  private static func text<Characters>(_ characters: Characters) -> String {
    withUnsafeBytes(of: characters) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
  }

  /// What data that do not start as a JPEG are instead.
  private static func otherFormat(_ data: UnsafeRawBufferPointer) -> String {
    let starts: [(String, Int, String)] = [
      ("GIF8", 0, "a GIF"), ("\u{89}PNG", 0, "a PNG"), ("BM", 0, "a BMP"),
      ("WEBP", 8, "a WebP"), ("II*\0", 0, "a TIFF"), ("MM\0*", 0, "a TIFF"),
      ("ftypavif", 4, "an AVIF"), ("ftyphei", 4, "a HEIC"), ("<", 0, "a text"),
    ]
    if data.isEmpty { return "empty: 0 bytes" }
    for (mark, offset, name) in starts
    where data.dropFirst(offset).starts(with: mark.unicodeScalars.map { UInt8($0.value) }) {
      return "\(name) file, not a JPEG: convert it or take it out"
    }
    return "not a JPEG: it does not start with FF D8"
  }
}
