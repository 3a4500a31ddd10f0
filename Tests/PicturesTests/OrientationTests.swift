import Foundation
import Pictures
import Testing

/// The count of pictures that carry an EXIF rotation, as a scan gives it.
@Suite struct OrientationTests {
  /// What a scan of two classes says, one with `file`.
  private func remarks(_ files: [[UInt8]]) throws -> [String] {
    let folder = try TemporaryFolder()
    for (number, file) in files.enumerated() { try folder.write("cats/\(number).jpg", file) }
    try folder.write("dogs/upright.jpg", jpeg())
    return try PictureFolder.scan(folder.path, classes: 2).remarks
  }

  /// A JPEG with an EXIF segment whose TIFF is `tiff`.
  private func file(_ tiff: [UInt8], before: [UInt8] = []) throws -> [UInt8] {
    let segment = Array("Exif\0\0".utf8) + tiff
    let length = segment.count + 2
    let head = [0xFF, 0xD8] + before + [0xFF, 0xE1, UInt8(length >> 8), UInt8(length & 255)]
    return try head + segment + jpeg().dropFirst(2)
  }

  /// One directory with a tag before the orientation.
  private func tiff(_ orientation: UInt8, isLittle: Bool) -> [UInt8] {
    let numbers: [(Int, bytes: Int)] = [
      (42, 2), (8, 4), (2, 2), (0x010F, 2), (2, 2), (1, 4), (0, 4), (0x0112, 2), (3, 2), (1, 4),
      (Int(orientation), 2), (0, 2), (0, 4),
    ]
    return Array((isLittle ? "II" : "MM").utf8)
      + numbers.flatMap { number, bytes in
        let digits = (0..<bytes).map { UInt8(number >> ($0 * 8) & 255) }
        return isLittle ? digits : digits.reversed()
      }
  }

  @Test func turnedPicturesAreCounted() throws {
    #expect(try remarks([jpeg()]) == [])
    for isLittle in [false, true] {
      #expect(try remarks([file(tiff(1, isLittle: isLittle))]) == [])
      #expect(
        try remarks([file(tiff(8, isLittle: isLittle))])
          == ["1 picture carries an EXIF rotation, which is ignored, as Keras does"])
      #expect(
        try remarks((0...9).map { try file(tiff($0, isLittle: isLittle)) })
          == ["7 pictures carry an EXIF rotation, which is ignored, as Keras does"])
    }
    // Behind another segment, and behind bytes that fill up.
    let behind = try file(tiff(6, isLittle: true), before: [0xFF, 0xFE, 0, 3, 0x2A, 0xFF, 0xFF])
    #expect(try remarks([behind]).count == 1)
  }

  /// Nothing is read beyond the segment; what is damaged carries no rotation.
  @Test func damagedOnesCarryNone() throws {
    let whole = tiff(6, isLittle: true)
    var files = try (0..<whole.count).map { try file(Array(whole[..<$0])) }
    // The value lies before the last six bytes.
    files = files.dropLast(6)
    for place in [4, 5, 6, 7, 8, 9] {
      var damaged = whole
      damaged[place] = 0xFF
      // A directory of too many entries still has its second one.
      if place < 8 { files.append(try file(damaged)) }
      _ = try remarks([file(damaged)])
    }
    files.append(try file(Array("II*\0".utf8) + [UInt8](repeating: 0xFF, count: 40)))
    files.append([0xFF, 0xD8, 0xFF, 0xE1, 0xFF, 0xFF] + Array("Exif\0\0".utf8) + whole)
    files.append([0xFF, 0xD8, 0xFF, 0xE1, 0, 0] + Array("Exif\0\0".utf8) + whole)
    #expect(try remarks(files) == [])
  }

  @Test(.enabled(if: Shared.odd != nil, Shared.needs))
  func thoseOfPillow() throws {
    let odd = try #require(Shared.odd)
    let folder = try TemporaryFolder()
    try folder.write("dogs/upright.jpg", jpeg())
    for name in try FileManager.default.contentsOfDirectory(atPath: odd)
    where name.hasPrefix("hopper") {
      try folder.write("cats/\(name)", [UInt8](Data(contentsOf: URL(filePath: "\(odd)/\(name)"))))
    }
    #expect(
      try PictureFolder.scan(folder.path, classes: 2).remarks.map { $0.prefix(10) } == [
        "7 pictures"
      ])
  }
}
