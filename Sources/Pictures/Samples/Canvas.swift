import CCairo
import Foundation

/// A colour, each part 0 to 1.
struct Color {
  var red: Double
  var green: Double
  var blue: Double

  init(_ red: Double, _ green: Double, _ blue: Double) {
    (self.red, self.green, self.blue) = (red, green, blue)
  }

  /// From hue 0 to 1 (red, green, blue, red), saturation and brightness.
  init(hue: Double, saturation: Double, brightness: Double) {
    func part(_ n: Double) -> Double {
      let k = (n + hue * 6).truncatingRemainder(dividingBy: 6)
      return brightness * (1 - saturation * max(0, min(k, 4 - k, 1)))
    }
    self.init(part(5), part(3), part(1))
  }

  static let black = Color(0, 0, 0)
  static let white = Color(1, 1, 1)

  func mixed(_ other: Color, _ share: Double) -> Color {
    Color(
      red + (other.red - red) * share, green + (other.green - green) * share,
      blue + (other.blue - blue) * share)
  }

  func darker(_ share: Double) -> Color { mixed(.black, share) }
  func lighter(_ share: Double) -> Color { mixed(.white, share) }
}

/// A point; y grows downwards.
struct Point {
  var x: Double
  var y: Double

  init(_ x: Double, _ y: Double) { (self.x, self.y) = (x, y) }
}

/// A cairo image that is drawn on in paths: a path, then `fill` or `stroke`.
final class Canvas {
  let width: Int
  let height: Int
  private let surface: OpaquePointer
  let context: OpaquePointer

  init(width: Int, height: Int) {
    (self.width, self.height) = (width, height)
    surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, Int32(width), Int32(height))
    context = cairo_create(surface)
    cairo_set_line_cap(context, CAIRO_LINE_CAP_ROUND)
    cairo_set_line_join(context, CAIRO_LINE_JOIN_ROUND)
  }

  deinit {
    cairo_destroy(context)
    cairo_surface_destroy(surface)
  }

  /// Draws what `body` draws in a frame of its own: moved, turned (radians) and scaled.
  func frame(
    x: Double = 0, y: Double = 0, angle: Double = 0, scale: Double = 1, mirrored: Bool = false,
    _ body: () -> Void
  ) {
    cairo_save(context)
    cairo_translate(context, x, y)
    cairo_rotate(context, angle)
    cairo_scale(context, mirrored ? -scale : scale, scale)
    body()
    cairo_restore(context)
  }

  /// Draws `body` inside the current path only.
  func clipped(_ body: () -> Void) {
    cairo_save(context)
    cairo_clip(context)
    body()
    cairo_restore(context)
  }

  func ellipse(_ x: Double, _ y: Double, _ across: Double, _ down: Double, angle: Double = 0) {
    cairo_save(context)
    cairo_translate(context, x, y)
    cairo_rotate(context, angle)
    cairo_scale(context, across, down)
    cairo_new_sub_path(context)
    cairo_arc(context, 0, 0, 1, 0, 2 * Double.pi)
    cairo_restore(context)
  }

  func rectangle(_ x: Double, _ y: Double, _ width: Double, _ height: Double) {
    cairo_rectangle(context, x, y, width, height)
  }

  func polygon(_ points: [Point]) {
    cairo_move_to(context, points[0].x, points[0].y)
    for point in points.dropFirst() { cairo_line_to(context, point.x, point.y) }
    cairo_close_path(context)
  }

  /// A smooth closed path through `points` (Catmull-Rom).
  func blob(_ points: [Point]) { spline(points, closed: true) }

  /// A smooth open path through `points`.
  func curve(_ points: [Point]) { spline(points, closed: false) }

  private func spline(_ points: [Point], closed: Bool) {
    let count = points.count
    func at(_ i: Int) -> Point {
      closed ? points[(i + count) % count] : points[max(0, min(count - 1, i))]
    }
    cairo_move_to(context, points[0].x, points[0].y)
    for i in 0..<(closed ? count : count - 1) {
      let (before, start, end, after) = (at(i - 1), at(i), at(i + 1), at(i + 2))
      cairo_curve_to(
        context,
        start.x + (end.x - before.x) / 6, start.y + (end.y - before.y) / 6,
        end.x - (after.x - start.x) / 6, end.y - (after.y - start.y) / 6, end.x, end.y)
    }
    if closed { cairo_close_path(context) }
  }

  func fill(_ color: Color, opacity: Double = 1, keepingPath: Bool = false) {
    cairo_set_source_rgba(context, color.red, color.green, color.blue, opacity)
    keepingPath ? cairo_fill_preserve(context) : cairo_fill(context)
  }

  /// Fills with a gradient from `first` at `start` to `last` at `end`.
  func fill(
    from first: Color, at start: Point, to last: Color, at end: Point, keepingPath: Bool = false
  ) {
    let pattern = cairo_pattern_create_linear(start.x, start.y, end.x, end.y)
    for (offset, color) in [(0.0, first), (1.0, last)] {
      cairo_pattern_add_color_stop_rgb(pattern, offset, color.red, color.green, color.blue)
    }
    cairo_set_source(context, pattern)
    cairo_pattern_destroy(pattern)
    keepingPath ? cairo_fill_preserve(context) : cairo_fill(context)
  }

  func stroke(
    _ color: Color, width: Double, opacity: Double = 1, keepingPath: Bool = false
  ) {
    cairo_set_source_rgba(context, color.red, color.green, color.blue, opacity)
    cairo_set_line_width(context, width)
    keepingPath ? cairo_stroke_preserve(context) : cairo_stroke(context)
  }

  /// Paints `other` over everything, stretched smoothly to this canvas's size.
  func paint(_ other: Canvas) {
    cairo_surface_flush(other.surface)
    cairo_save(context)
    cairo_scale(
      context, Double(width) / Double(other.width), Double(height) / Double(other.height))
    cairo_set_source_surface(context, other.surface, 0, 0)
    cairo_pattern_set_extend(cairo_get_source(context), CAIRO_EXTEND_PAD)
    cairo_pattern_set_filter(cairo_get_source(context), CAIRO_FILTER_BILINEAR)
    cairo_paint(context)
    cairo_restore(context)
  }

  /// The pixels, each passed through `change` as (channel value, channel 0 to 2, byte index).
  func picture(_ change: (UInt8, Int, Int) -> UInt8) throws(PictureError) -> DecodedPicture {
    cairo_surface_flush(surface)
    let stride = Int(cairo_image_surface_get_stride(surface))
    let data = cairo_image_surface_get_data(surface)!
    return try DecodedPicture(height: height, width: width) { out in
      var i = 0
      for row in 0..<height {
        UnsafeRawPointer(data + row * stride).withMemoryRebound(to: UInt32.self, capacity: width) {
          for column in 0..<width {
            for channel in 0..<3 {
              let value = UInt8(truncatingIfNeeded: $0[column] >> UInt32(16 - 8 * channel))
              out[i] = change(value, channel, i)
              i += 1
            }
          }
        }
      }
    }
  }
}
