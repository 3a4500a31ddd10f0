import CJPEG
import Foundation
import Primitives

/// JPEG by libjpeg: the pixels that Pillow's `Image.open(file).convert("RGB")` gives.
public enum JPEG {
  /// Pictures with more pixels than this are refused before anything is allocated for them.
  static let maximumPixels = 100_000_000

  /// Decodes a JPEG file's bytes, and gives what `use` makes of the pixels.
  ///
  /// EXIF orientation is left alone, as Keras does. Damage that libjpeg only warns of is
  /// decoded as well as it can be, as Pillow does; data that end too early are an error.
  ///
  /// Waits until there is memory for the pixels, which is free for others when `use` is done.
  /// - Parameter least: decodes fast, at the smallest of libjpeg's scales 1, 1/2, 1/4 and 1/8 at
  ///   which the picture is at least so large; `maximumPixels` is then for the scaled picture.
  /// - Throws: `PictureError` without a path.
  package static func decode<Result>(
    _ data: UnsafeRawBufferPointer, least: (height: Int, width: Int)? = nil,
    _ use: (DecodedPicture) throws(PictureError) -> Result
  ) throws(PictureError) -> Result {
    guard data.starts(with: [0xFF, 0xD8]) else {
      throw PictureError(PictureFormat.complaint(data))
    }
    var header = cjpeg_picture()
    var begun: OpaquePointer?
    let size = cjpeg_size(width: Int32(least?.width ?? 0), height: Int32(least?.height ?? 0))
    let status = cjpeg_begin(
      data.baseAddress!.assumingMemoryBound(to: UInt8.self), data.count, maximumPixels, size,
      &header, &begun)
    guard status == CJPEG_DONE, let begun else { throw PictureError(reason(status, header)) }
    return try DecodingBudget.pixels.with(header.memory) { () throws(PictureError) in
      var picture = header
      let status = cjpeg_decode(begun, &picture)
      cjpeg_end(begun)
      guard status == CJPEG_DONE, let pixels = picture.pixels else {
        throw PictureError(reason(status, picture))
      }
      return try use(
        DecodedPicture(height: Int(picture.height), width: Int(picture.width), adopting: pixels))
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
      return "\(size) pixels: more than the \(maximumPixels / 1_000_000) megapixels allowed: "
        + (picture.scalable == 0
          ? "shrink it" : "shrink it, or read it at a smaller scale with --decode fast")
    case CJPEG_SCANS:
      return "\(picture.scans) scans: at most \(picture.most_scans) are read at this size: save it "
        + "again as a plain JPEG, not a progressive one"
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
}
