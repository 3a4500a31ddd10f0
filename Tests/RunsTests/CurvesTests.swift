import CCairo
import Foundation
import FoundationXML
import Primitives
import Runs
import TestSupport
import Testing

@Suite("Curves")
struct CurvesTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  func history(_ epochs: Int, spoiled: [Int: Double] = [:]) -> History {
    History(
      (0..<epochs).map { index in
        let x = Double(index) / 30
        return EpochRecord(
          epoch: index + 1, loss: spoiled[index] ?? 0.7 - 0.6 * x,
          accuracy: 0.5 + 0.45 * x, validationLoss: spoiled[index] ?? 0.6 + x * x,
          validationAccuracy: 0.5 + 0.25 * x, seconds: 1, picturesPerSecond: 1)
      })
  }

  @Test(
    "any history can be drawn",
    arguments: [
      [0], [1], [2], [30], [500], [30, 12, 1, 30, 30, 7, 9], Array(repeating: 5, count: 40),
    ])
  func draws(epochs: [Int]) throws {
    let curves = Curves(
      epochs.map { (name: "runs/with a long <name> \($0)", history: history($0)) })
    try curves.write(to: folder.file("c.svg"))
    try curves.write(to: folder.file("c.PNG"))
    #expect(XMLParser(data: try folder.contents("c.svg")).parse())
    #expect(try picture("c.PNG").width == 2320)
  }

  @Test("losses that are no numbers, huge or all the same are drawn around")
  func spoiled() throws {
    for value in [Double.nan, .infinity, -.infinity, 1e300, -1e300, .leastNonzeroMagnitude] {
      let some = history(10, spoiled: [0: value, 4: value, 5: value])
      let all = history(3, spoiled: [0: value, 1: value, 2: value])
      try Curves([("a", some), ("b", all)]).write(to: folder.file("c.png"))
      _ = try picture("c.png")
    }
  }

  @Test("points and lines are there, in the run's colour")
  func colours() throws {
    try Curves([("a", History())]).write(to: folder.file("none.png"))
    try Curves([("a", history(30))]).write(to: folder.file("one.png"))
    try Curves([("a", history(30)), ("b", history(20))]).write(to: folder.file("two.png"))
    let blue: UInt32 = 0x0073B3
    let orange: UInt32 = 0xD75E00
    #expect(try picture("one.png").count(blue) > picture("none.png").count(blue) + 3000)
    #expect(try picture("one.png").count(orange) == 0)
    #expect(try picture("two.png").count(orange) > 3000)
  }

  @Test("a smoothed point is the share of what was before, and the rest of its own")
  func smoothed() throws {
    func record(_ epoch: Int, _ loss: Double) -> EpochRecord {
      EpochRecord(
        epoch: epoch, loss: 2 * loss, accuracy: 0.5, validationLoss: loss,
        validationAccuracy: 1 - loss, seconds: 1, picturesPerSecond: 1)
    }
    let losses = [0.5, 0.3, .nan, 0.2, 0.2, 0.4]
    let history = History(losses.enumerated().map { record($0 + 1, $1) })
    let curves = Curves([("a", history), ("none", History())], smoothing: 0.75)
    let panel = curves.panels[1]
    var (mean, expected) = (0.5, [0.5])
    for loss in losses.dropFirst() where !loss.isNaN {
      mean = 0.75 * mean + 0.25 * loss
      expected.append(mean)
    }
    #expect(panel.validation[0].map { $0 == nil } == losses.map(\.isNaN))
    for (point, value) in zip(panel.validation[0].compactMap { $0 }, expected) {
      #expect(abs(point.value - value) < 1e-12)
    }
    for (point, value) in zip(panel.training[0].compactMap { $0 }, expected) {
      #expect(abs(point.value - 2 * value) < 1e-12)
    }
    #expect(panel.unsmoothed[0].map { $0?.value } == losses.map { $0.isNaN ? nil : $0 })
    // The best is that of the values as they were, and the first of equal ones.
    #expect(panel.best.map { $0?.epoch } == [4, nil] && panel.best[0]?.value == 0.2)
    #expect(curves.panels[0].best.map { $0?.epoch } == [4, nil])
    let plain = Curves([("a", history)])
    #expect(
      plain.panels[1].validation[0].map { $0?.value } == panel.unsmoothed[0].map { $0?.value })
    #expect(plain.panels[1].unsmoothed.isEmpty && plain.panels[1].best[0]?.epoch == 4)
    try curves.write(to: folder.file("smooth.png"))
    let pale: UInt32 = 0xA6CEE5
    #expect(try picture("smooth.png").count(pale) > 50)
    try plain.write(to: folder.file("plain.png"))
    #expect(try picture("plain.png").count(pale) < 50)
  }

  @Test("another format or a missing folder is refused by name")
  func refused() {
    for (name, says) in [("c.jpg", "drawn as .svg or .png"), ("none/c.svg", "No such file")] {
      let error = #expect(throws: FileError.self) {
        try Curves([("a", history(3))]).write(to: folder.file(name))
      }
      #expect(error?.description.contains(says) == true, "\(error?.description ?? "")")
    }
  }

  /// Pixels of a PNG that libcairo reads.
  private func picture(_ name: String) throws -> (width: Int, count: (UInt32) -> Int) {
    let surface = cairo_image_surface_create_from_png(folder.file(name))
    defer { cairo_surface_destroy(surface) }
    try #require(cairo_surface_status(surface) == CAIRO_STATUS_SUCCESS)
    let width = Int(cairo_image_surface_get_width(surface))
    let height = Int(cairo_image_surface_get_height(surface))
    let stride = Int(cairo_image_surface_get_stride(surface))
    let bytes = try #require(cairo_image_surface_get_data(surface))
    let pixels = Data(bytes: bytes, count: stride * height).withUnsafeBytes {
      Array($0.bindMemory(to: UInt32.self))
    }
    return (width, { colour in pixels.count { $0 & 0xFFFFFF == colour } })
  }
}
