import Pictures
import Testing

/// Expected bytes are those of Pillow 13.0.0's `Image.resize` on the same pattern.
@Suite struct ResizeTests {
  @Test(
    arguments: [
      (
        Interpolation.nearest,
        [
          0, 7, 18, 87, 112, 139, 20, 61, 105, 166, 1, 96, 245, 98, 209, 170,
          39, 167,
        ]
      ),
      (
        .bilinear,
        [
          49, 76, 107, 127, 93, 136, 118, 130, 131, 153, 71, 154, 190, 85, 144, 144, 117,
          103,
        ]
      ),
      (
        .area,
        [60, 92, 128, 161, 79, 127, 136, 130, 126, 180, 19, 118, 245, 98, 209, 119, 112, 107]
      ),
    ] as [(Interpolation, [UInt8])])
  func shrinks(_ interpolation: Interpolation, _ expected: [UInt8]) throws {
    let picture = try Resize.resize(
      try pattern(height: 3, width: 5), height: 2, width: 3, interpolation)
    #expect((picture.height, picture.width) == (2, 3))
    #expect(picture.array == expected)
  }

  @Test(
    arguments: [
      (
        Interpolation.nearest,
        [
          0, 7, 18, 0, 7, 18, 31, 47, 66, 31, 47, 66, 87, 112, 139, 87, 112, 139,
          169, 202, 237, 169, 202, 237, 87, 112, 139, 87, 112, 139, 169, 202, 237, 169, 202, 237,
        ]
      ),
      (
        .bilinear,
        [
          0, 7, 18, 8, 17, 30, 23, 37, 54, 31, 47, 66, 44, 60, 79, 58, 76, 97, 86, 109, 134,
          100, 125, 152, 87, 112, 139, 108, 135, 164, 149, 180, 213, 169, 202, 237,
        ]
      ),
    ] as [(Interpolation, [UInt8])])
  func grows(_ interpolation: Interpolation, _ expected: [UInt8]) throws {
    let picture = try Resize.resize(
      try pattern(height: 2, width: 2), height: 3, width: 4, interpolation)
    #expect(picture.array == expected)
  }

  @Test(
    arguments: [
      (
        (375, 500, 150, 150),
        [
          "0252195c067aaa38488799bf7bf305ca",
          "41c01ece36faf470b3279f6b5b650fcd", "e2754973296f74baf97d92efcb20bcfc",
        ]
      ),
      // Columns before rows.
      (
        (500, 300, 150, 150),
        [
          "ec244a5355092933e030f74d7e025e21",
          "b0c1619bfd9b5003d0e6e1de7a4c708c", "dd6bf80aa54be897000a7a383d6213af",
        ]
      ),
      (
        (90, 60, 150, 150),
        [
          "303ccc2c3d8ea83370a469591814790a",
          "fac5c429d825436a1355ae79dc8d5bf5", "ae8c3c9206f408d8a3c319562ef7300f",
        ]
      ),
      (
        (400, 37, 20, 41),
        [
          "c02aaab589391a0b68b0b963249f1302",
          "6fb6e21e4e492a050c7ec90f79d3c86b", "8363ec085a7002c712c7d0a428391927",
        ]
      ),
      (
        (150, 333, 150, 150),
        [
          "83a83b90e513d2e79f45e1adc123c9ac",
          "e0faf9b18d146eeaace0385410b1998d", "960832fceb5a30a678585e8602bd6aca",
        ]
      ),
      ((1, 1, 5, 3), [String](repeating: "d9d6ae3b4031e7d7a8d4b789193984ae", count: 3)),
    ] as [((Int, Int, Int, Int), [String])])
  func equalsPillow(_ sizes: (Int, Int, Int, Int), _ expected: [String]) throws {
    let source = try pattern(height: sizes.0, width: sizes.1)
    for (interpolation, digested) in zip(Interpolation.allCases, expected) {
      let picture = try Resize.resize(source, height: sizes.2, width: sizes.3, interpolation)
      #expect(digest(picture.array) == digested, "\(interpolation)")
    }
  }

  @Test func sameSizeIsTheSamePicture() throws {
    let picture = try pattern(height: 4, width: 4)
    #expect(try Resize.resize(picture, height: 4, width: 4, .bilinear) === picture)
  }
}
