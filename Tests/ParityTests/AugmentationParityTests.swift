import Engine
import Foundation
import Pictures
import Primitives
import Testing

/// Changed pictures beside those that Keras's `ImageDataGenerator` makes with the same parameters.
@Suite(
  .enabled(
    if: Python.withKeras != nil && Python.withSciPy != nil,
    "DOGSLED_PYTHON names no python with TensorFlow and scipy"))
struct AugmentationParityTests {
  private static let side = 150

  private struct Case {
    let name: String
    let mode: Augmentation.FillMode
    var transform = PictureTransform()

    init(
      _ name: String, _ mode: Augmentation.FillMode, _ change: (inout PictureTransform) -> Void
    ) {
      (self.name, self.mode) = (name, mode)
      change(&transform)
    }

    /// As `apply_transform` takes them.
    var json: [String: Any] {
      var parameters: [String: Any] = [
        "theta": transform.rotation, "tx": transform.left, "ty": transform.up,
        "shear": transform.shear, "zx": transform.zoomX, "zy": transform.zoomY,
        "flip_horizontal": transform.isMirrored, "flip_vertical": transform.isUpsideDown,
      ]
      if transform.brightness != 1 { parameters["brightness"] = Double(transform.brightness) }
      return ["fill_mode": mode.rawValue, "parameters": parameters]
    }
  }

  /// Each parameter alone, in each mode where that matters, and all together.
  private static let cases: [Case] =
    Augmentation.FillMode.allCases.flatMap { mode in
      [
        Case("rotation", mode) { $0.rotation = 33 },
        Case("rotation the other way", mode) { $0.rotation = -140.5 },
        Case("width shift", mode) { $0.left = 28.3 },
        Case("width shift the other way", mode) { $0.left = -11.75 },
        Case("height shift", mode) { $0.up = 29.9 },
        Case("height shift the other way", mode) { $0.up = -7.2 },
        Case("shear", mode) { $0.shear = 20 },
        Case("shear the other way", mode) { $0.shear = -0.2 },
        Case("zoom of rows", mode) { $0.zoomX = 1.2 },
        Case("zoom of columns", mode) { $0.zoomY = 0.8 },
        Case("all", mode) {
          ($0.rotation, $0.left, $0.up, $0.shear) = (-25, 20.5, -16.25, 12)
          ($0.zoomX, $0.zoomY, $0.isMirrored, $0.isUpsideDown) = (1.15, 0.9, true, true)
          $0.brightness = 1.2
        },
      ]
    } + [
      Case("horizontal flip", .nearest) { $0.isMirrored = true },
      Case("vertical flip", .nearest) { $0.isUpsideDown = true },
      Case("darker", .nearest) { $0.brightness = 0.55 },
      Case("brighter", .nearest) { $0.brightness = 1.7 },
    ]

  /// Photographs, or drawn pictures where there are none; and noise.
  private func pictures() throws -> [DecodedPicture] {
    let side = Self.side
    let noise = CounterRandom(seed: 9, purpose: .samplePicture)
    // Smooth enough that a 256th of a pixel is not seen.
    let drawn = try DecodedPicture(height: side, width: side) { bytes in
      for i in bytes.indices {
        let (row, column) = (i / 3 / side, i / 3 % side)
        let wave = sin(Double(row) / 9 + Double(i % 3)) * cos(Double(column) / 7)
        bytes[i] = UInt8(128 + 100 * wave + 20 * noise.double(UInt64(i)))
      }
    }
    guard let photographs = Python.photographs else { return [drawn] }
    let decoder = PictureDecoder(PictureSettings(), height: side, width: side)
    return try [drawn]
      + PictureFolder.scan(photographs, classes: 2).entries.prefix(3).map {
        try decoder.decode(path: "\(photographs)/\($0.path)")
      }
  }

  @Test func `Each change alone, and all together, are Keras's within 2 of 255 at 99 %`() throws {
    let folder = NSTemporaryDirectory() + "dogsled-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let (pictures, size) = (try pictures(), Self.side * Self.side * 3)
    let job: [String: Any] = [
      "height": Self.side, "width": Self.side, "count": pictures.count,
      "cases": Self.cases.map(\.json),
    ]
    try JSONSerialization.data(withJSONObject: job).write(
      to: URL(fileURLWithPath: folder + "/cases.json"))
    let bytes = pictures.flatMap { UnsafeBufferPointer(start: $0.bytes, count: size) }
    try Data(bytes).write(to: URL(fileURLWithPath: folder + "/pictures.bin"))
    try Python.run(
      Python.withKeras, [Python.script("keras_augmentation.py"), folder], in: folder)
    let data = try Data(contentsOf: URL(fileURLWithPath: folder + "/keras.bin"))
    let keras = data.withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
    try #require(keras.count == Self.cases.count * pictures.count * size)

    let warp = try Warp(height: Self.side, width: Self.side)
    for (number, one) in Self.cases.enumerated() {
      for (index, picture) in pictures.enumerated() {
        let own = try warp.apply(one.transform, fill: one.mode, to: picture)
        let start = (number * pictures.count + index) * size
        let (near, changed) = (0..<size).reduce(into: (0, 0)) { counts, i in
          if abs(Float(own.bytes[i]) - keras[start + i]) <= 2 { counts.0 += 1 }
          if own.bytes[i] != picture.bytes[i] { counts.1 += 1 }
        }
        let share = Double(near) / Double(size)
        #expect(share >= 0.99, "\(one.name), \(one.mode), picture \(index): \(share)")
        #expect(changed > size / 10, "\(one.name) changes nothing")
      }
    }
  }

  /// Each place of the sheet has the picture that training would make in that pass.
  @Test func `A contact sheet has what training would make`() throws {
    let folder = NSTemporaryDirectory() + "dogsled-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let (picture, side) = (try pictures()[0], Self.side)
    let path = folder + "/sheet.png"
    try ContactSheet(of: picture, .book, seed: 4, count: 7).write(to: path)
    let text = try Python.run(
      Python.withKeras, [Python.script("keras_augmentation.py"), "sheet", path], in: folder)
    let words = text.split(whereSeparator: \.isWhitespace)
    try #require(words.count == 3)
    // Four in a row.
    let (columns, width) = (4, 4 * side + 12)
    #expect(words[0] == "\(width)" && words[1] == "\(2 * side + 4)")
    let hexadecimal = Array(words[2].utf8)
    func byte(_ row: Int, _ column: Int, _ colour: Int) -> UInt8? {
      let at = 2 * ((row * width + column) * 3 + colour)
      return UInt8(String(decoding: hexadecimal[at...at + 1], as: UTF8.self), radix: 16)
    }
    let warp = try Warp(height: side, width: side)
    for pass in 0..<8 {
      var differences = 0
      let change = PictureTransform(
        .book, seed: 4, pass: pass, picture: 0, height: side, width: side)
      let own = try warp.apply(change, fill: .nearest, to: picture)
      for i in 0..<side * side {
        let (row, column) = (pass / columns * (side + 4), pass % columns * (side + 4))
        for colour in 0..<3 {
          // Of the eighth there is only the paper.
          let expected = pass < 7 ? own.bytes[i * 3 + colour] : 255
          let drawn = byte(row + i / side, column + i % side, colour)
          differences += drawn == expected ? 0 : 1
        }
      }
      #expect(differences == 0, "pass \(pass)")
    }
  }
}
