// Curves with libcairo: one drawing for both formats.

import CCairo
import Foundation

/// Draws `Curves` on a surface of libcairo.
struct CurvesDrawing {
  private static let width = 1160.0
  private static let panelHeight = 430.0
  private static let legendLine = 24.0

  private let curves: Curves
  private let context: OpaquePointer

  /// The picture as SVG; nil where libcairo has no memory.
  static func svg(of curves: Curves) -> Data? {
    let sink = Sink()
    let surface = cairo_svg_surface_create_for_stream(
      append, Unmanaged.passUnretained(sink).toOpaque(), width, height(of: curves))
    defer { cairo_surface_destroy(surface) }
    guard draw(curves, on: surface, scale: 1) else { return nil }
    cairo_surface_finish(surface)
    return cairo_surface_status(surface) == CAIRO_STATUS_SUCCESS ? sink.bytes : nil
  }

  /// The picture as PNG, at twice the size; nil where libcairo has no memory.
  static func png(of curves: Curves) -> Data? {
    let sink = Sink()
    let surface = cairo_image_surface_create(
      CAIRO_FORMAT_RGB24, Int32(2 * width), Int32(2 * height(of: curves)))
    defer { cairo_surface_destroy(surface) }
    guard draw(curves, on: surface, scale: 2) else { return nil }
    let status = cairo_surface_write_to_png_stream(
      surface, append, Unmanaged.passUnretained(sink).toOpaque())
    return status == CAIRO_STATUS_SUCCESS ? sink.bytes : nil
  }

  private final class Sink { var bytes = Data() }

  private static let append: cairo_write_func_t = { sink, bytes, count in
    guard let sink, let bytes else { return CAIRO_STATUS_WRITE_ERROR }
    Unmanaged<Sink>.fromOpaque(sink).takeUnretainedValue().bytes.append(bytes, count: Int(count))
    return CAIRO_STATUS_SUCCESS
  }

  private static func draw(_ curves: Curves, on surface: OpaquePointer?, scale: Double) -> Bool {
    guard let context = cairo_create(surface) else { return false }
    defer { cairo_destroy(context) }
    cairo_scale(context, scale, scale)
    CurvesDrawing(curves: curves, context: context).draw()
    return cairo_status(context) == CAIRO_STATUS_SUCCESS
  }

  private static func height(of curves: Curves) -> Double {
    panelHeight + legendLine * Double(max(1, legendRows(curves))) + 18
  }

  // MARK: The whole picture

  /// Colours that people with any colour vision tell apart.
  ///
  /// From M. Okabe and K. Ito, Color Universal Design (2008), without black and yellow.
  private static let colours: [(red: Double, green: Double, blue: Double)] = [
    (0.00, 0.45, 0.70), (0.84, 0.37, 0.00), (0.00, 0.62, 0.45), (0.80, 0.47, 0.65),
    (0.34, 0.71, 0.91), (0.90, 0.62, 0.00),
  ]

  private func draw() {
    cairo_set_source_rgb(context, 1, 1, 1)
    cairo_paint(context)
    let half = Self.width / 2
    for (index, panel) in curves.panels.enumerated() {
      let left = half * Double(index) + 78
      draw(panel, left: left, top: 52, width: half - 78 - 24, height: Self.panelHeight - 52 - 60)
    }
    drawLegend(top: Self.panelHeight + 6)
  }

  private func draw(
    _ panel: Curves.Panel, left: Double, top: Double, width: Double, height: Double
  ) {
    let points = (panel.training + panel.validation + panel.unsmoothed).joined()
      .compactMap { $0 }
    let epochs = CurvesAxis(holding: points.map(\.epoch) + [1], room: 0.03, smallestStep: 1)
    let values = CurvesAxis(holding: points.map(\.value), room: 0.06)
    func x(_ epoch: Double) -> Double { left + width * epochs.position(epoch) }
    func y(_ value: Double) -> Double { top + height * (1 - values.position(value)) }

    setColour(grey: 0.9)
    cairo_set_line_width(context, 1)
    for tick in values.ticks { line(from: (left, y(tick)), to: (left + width, y(tick))) }
    setColour(grey: 0.45)
    line(from: (left, top + height), to: (left + width, top + height))
    line(from: (left, top), to: (left, top + height))
    for tick in epochs.ticks where tick > 0 {
      setColour(grey: 0.45)
      line(from: (x(tick), top + height), to: (x(tick), top + height + 5))
      text(epochs.label(tick), at: (x(tick), top + height + 21), size: 13, align: 0.5)
    }
    for tick in values.ticks {
      text(values.label(tick), at: (left - 10, y(tick) + 4.5), size: 13, align: 1)
    }
    text(panel.title, at: (left + width / 2, top - 20), size: 16, align: 0.5, bold: true)
    text("Epoch", at: (left + width / 2, top + height + 46), size: 14, align: 0.5)
    text(panel.label, at: (left - 56, top + height / 2), size: 14, align: 0.5, upwards: true)
    if points.isEmpty {
      text("no epochs yet", at: (left + width / 2, top + height / 2), size: 14, align: 0.5)
    }
    for run in curves.runs.indices {
      if let unsmoothed = panel.unsmoothed.dropFirst(run).first {
        setColour(ofRun: run, paler: 0.65)
        drawLine(unsmoothed.map { $0.map { (x($0.epoch), y($0.value)) } }, width: 1)
      }
      setColour(ofRun: run)
      drawLine(panel.validation[run].map { $0.map { (x($0.epoch), y($0.value)) } }, width: 2)
      for case let point? in panel.training[run] {
        dot(at: (x(point.epoch), y(point.value)), radius: points.count > 400 ? 2 : 3.6)
      }
    }
    // Over all curves.
    for case (let run, let best?) in panel.best.enumerated() {
      let place = (x: x(best.epoch), y: y(best.value))
      setColour(ofRun: run)
      diamond(at: place)
      guard curves.runs.count <= Self.runsLabelled else { continue }
      let isLate = place.x > left + width - 60
      text(
        "epoch \(Int(best.epoch))", at: (place.x + (isLate ? -11 : 11), place.y - 9), size: 12,
        align: isLate ? 1 : 0)
    }
  }

  /// The most runs whose best epochs are written beside their marks.
  private static let runsLabelled = 4

  /// A line through the points with a gap where one is missing; a ring where one stands alone.
  private func drawLine(_ points: [(x: Double, y: Double)?], width: Double) {
    cairo_set_line_width(context, width)
    cairo_set_line_join(context, CAIRO_LINE_JOIN_ROUND)
    for stretch in points.split(whereSeparator: { $0 == nil }) {
      cairo_new_path(context)
      for case let point? in stretch { cairo_line_to(context, point.x, point.y) }
      if stretch.count == 1, let point = stretch.first ?? nil {
        cairo_new_path(context)
        cairo_arc(context, point.x, point.y, 5.5, 0, 2 * .pi)
      }
      cairo_stroke(context)
    }
  }

  // MARK: The legend

  /// Below both panels: what a point and a line are, then the runs if there are several.
  private func drawLegend(top: Double) {
    let several = curves.runs.count > 1
    let centre = Self.width / 2
    if several { setColour(grey: 0.35) } else { setColour(ofRun: 0) }
    let means = curves.smoothing > 0 ? ", smoothed" : ""
    dot(at: (centre - 268, top), radius: 3.6)
    text("Training" + means, at: (centre - 256, top + 4.5), size: 13.5, align: 0)
    cairo_set_line_width(context, 2)
    if several { setColour(grey: 0.35) } else { setColour(ofRun: 0) }
    line(from: (centre - 100, top), to: (centre - 72, top))
    text("Validation" + means, at: (centre - 64, top + 4.5), size: 13.5, align: 0)
    if several { setColour(grey: 0.35) } else { setColour(ofRun: 0) }
    diamond(at: (centre + 100, top))
    text("Best epoch of the validation", at: (centre + 112, top + 4.5), size: 13.5, align: 0)
    guard several else { return }
    let column = (Self.width - 80) / Double(Self.runsARow)
    for (index, run) in curves.runs.enumerated() {
      let left = 60 + column * Double(index % Self.runsARow)
      let y = top + Self.legendLine * Double(1 + index / Self.runsARow)
      setColour(ofRun: index)
      dot(at: (left + 14, y), radius: 3.6)
      cairo_set_line_width(context, 2)
      line(from: (left, y), to: (left + 28, y))
      text(shortened(run.name, to: column - 56), at: (left + 38, y + 4.5), size: 13.5, align: 0)
    }
  }

  private static let runsARow = 4
  private static func legendRows(_ curves: Curves) -> Int {
    curves.runs.count > 1 ? 1 + (curves.runs.count + runsARow - 1) / runsARow : 1
  }

  // MARK: Strokes and letters

  private func setColour(grey: Double) { cairo_set_source_rgb(context, grey, grey, grey) }

  /// - Parameter paler: how near to white, 0 to 1.
  private func setColour(ofRun run: Int, paler: Double = 0) {
    let colour = Self.colours[run % Self.colours.count]
    func part(_ value: Double) -> Double { value + (1 - value) * paler }
    cairo_set_source_rgb(context, part(colour.red), part(colour.green), part(colour.blue))
  }

  private func line(from a: (x: Double, y: Double), to b: (x: Double, y: Double)) {
    cairo_move_to(context, a.x, a.y)
    cairo_line_to(context, b.x, b.y)
    cairo_stroke(context)
  }

  private func dot(at centre: (x: Double, y: Double), radius: Double) {
    cairo_arc(context, centre.x, centre.y, radius, 0, 2 * .pi)
    cairo_fill(context)
  }

  /// White with an edge of the colour that is set.
  private func diamond(at centre: (x: Double, y: Double), size: Double = 7) {
    cairo_new_path(context)
    for (x, y) in [(0, -size), (size, 0), (0, size), (-size, 0)] {
      cairo_line_to(context, centre.x + x, centre.y + y)
    }
    cairo_close_path(context)
    let edge = cairo_copy_path(context)
    defer { cairo_path_destroy(edge) }
    cairo_save(context)
    cairo_set_source_rgb(context, 1, 1, 1)
    cairo_fill(context)
    cairo_restore(context)
    cairo_append_path(context, edge)
    cairo_set_line_width(context, 2.5)
    cairo_stroke(context)
  }

  /// - Parameter align: the part of the text's width that lies left of `position`.
  private func text(
    _ text: String, at position: (x: Double, y: Double), size: Double, align: Double,
    bold: Bool = false, upwards: Bool = false
  ) {
    cairo_save(context)
    cairo_set_source_rgb(context, 0.15, 0.15, 0.15)
    let weight = bold ? CAIRO_FONT_WEIGHT_BOLD : CAIRO_FONT_WEIGHT_NORMAL
    cairo_select_font_face(context, "sans-serif", CAIRO_FONT_SLANT_NORMAL, weight)
    cairo_set_font_size(context, size)
    cairo_translate(context, position.x, position.y)
    if upwards { cairo_rotate(context, -.pi / 2) }
    cairo_move_to(context, -align * width(of: text), 0)
    cairo_show_text(context, text)
    cairo_restore(context)
  }

  private func width(of text: String) -> Double {
    var extents = cairo_text_extents_t()
    cairo_text_extents(context, text, &extents)
    return extents.x_advance
  }

  private func shortened(_ text: String, to most: Double) -> String {
    cairo_select_font_face(
      context, "sans-serif", CAIRO_FONT_SLANT_NORMAL, CAIRO_FONT_WEIGHT_NORMAL)
    cairo_set_font_size(context, 13.5)
    var kept = text
    while width(of: kept) > most && kept.count > 8 { kept = "…" + kept.dropFirst(3) }
    return kept
  }
}
