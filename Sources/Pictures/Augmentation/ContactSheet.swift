import CCairo
import Foundation
import Primitives

/// A picture as several passes over the data change it, side by side.
public final class ContactSheet {
  /// Pixels between two pictures.
  private static let gap = 4
  /// The most pixels of a side: libcairo has no larger pictures.
  private static let sideMost = 32_767
  /// The most pixels of a sheet, which take 400 MB.
  private static let pixelsMost = 100_000_000

  private let surface: OpaquePointer?

  /// Draws the sheet.
  /// - Parameters:
  ///   - count: pictures, at least 1.
  ///   - seed: of the draws, which are those of a run's first picture.
  /// - Throws: `PictureError` where it is too large, or there is no memory for it.
  public init(
    of picture: DecodedPicture, _ settings: Augmentation, seed: UInt64, count: Int
  ) throws(PictureError) {
    // Four in one row, eight in two, and about twice as wide as high from there on.
    let columns = count <= 4 ? count : Int(Double(2 * count).squareRoot().rounded(.up))
    let rows = (count + columns - 1) / columns
    let (height, width) = (
      rows * (picture.height + Self.gap) - Self.gap,
      columns * (picture.width + Self.gap) - Self.gap
    )
    guard max(height, width) <= Self.sideMost, height * width <= Self.pixelsMost else {
      throw PictureError(
        "the sheet would have \(width)x\(height) pixels: draw fewer or smaller pictures")
    }
    surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, Int32(width), Int32(height))
    guard let pixels = cairo_image_surface_get_data(surface) else {
      throw PictureError("the sheet of \(width)x\(height) pixels: not enough memory to draw it")
    }
    let rowBytes = Int(cairo_image_surface_get_stride(surface))
    cairo_surface_flush(surface)
    memset(pixels, 0xFF, height * rowBytes)
    let warp = try Warp(height: picture.height, width: picture.width)
    for pass in 0..<count {
      let change = PictureTransform(
        settings, seed: seed, pass: pass, picture: 0, height: picture.height, width: picture.width)
      let (row, column) = pass.quotientAndRemainder(dividingBy: columns)
      let corner =
        row * (picture.height + Self.gap) * rowBytes + 4 * column * (picture.width + Self.gap)
      Self.copy(
        try warp.apply(change, fill: settings.fillMode, to: picture), to: pixels + corner,
        rowBytes: rowBytes)
    }
    cairo_surface_mark_dirty(surface)
  }

  deinit { cairo_surface_destroy(surface) }

  /// Libcairo's pixels are words: blue is the lowest byte.
  private static func copy(
    _ picture: DecodedPicture, to target: UnsafeMutablePointer<UInt8>, rowBytes: Int
  ) {
    var byte = picture.bytes
    for row in 0..<picture.height {
      let pixels = UnsafeMutableRawPointer(target + row * rowBytes)
      for column in 0..<picture.width {
        let value = UInt32(byte[0]) << 16 | UInt32(byte[1]) << 8 | UInt32(byte[2])
        pixels.storeBytes(of: value, toByteOffset: 4 * column, as: UInt32.self)
        byte += 3
      }
    }
  }

  /// Writes the sheet as PNG.
  /// - Throws: `FileError` where it cannot be written.
  public func write(to path: String) throws {
    let sink = Sink()
    let status = cairo_surface_write_to_png_stream(
      surface, Self.append, Unmanaged.passUnretained(sink).toOpaque())
    guard status == CAIRO_STATUS_SUCCESS else {
      throw FileError("\(path): libcairo has no memory to write the sheet")
    }
    try PlainFiles.replace(path, with: sink.bytes)
  }

  private final class Sink { var bytes = Data() }

  private static let append: cairo_write_func_t = { sink, bytes, count in
    guard let sink, let bytes else { return CAIRO_STATUS_WRITE_ERROR }
    Unmanaged<Sink>.fromOpaque(sink).takeUnretainedValue().bytes.append(bytes, count: Int(count))
    return CAIRO_STATUS_SUCCESS
  }
}
