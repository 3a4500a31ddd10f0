import Pictures
import Testing

@Suite struct FileNameTests {
  @Test func anyBytesComeBack() {
    var names: [[UInt8]] = [
      Array("café.jpg".utf8), Array("cafe\u{301}.jpg".utf8), [0x63, 0xE9, 0x2E], [0xFF], [],
      [0xC3], [0xE2, 0x82], [0xF0, 0x9F, 0x90, 0x41], [0xED, 0xA0, 0x80], [0xC0, 0xAF],
      // U+EF80, U+EFE9 and U+EFFF themselves, and U+EF7F and U+F000 beside them.
      [0xEE, 0xBE, 0x80], [0xEE, 0xBF, 0xA9], [0xEE, 0xBF, 0xBF], [0xEE, 0xBD, 0xBF],
      [0xEF, 0x80, 0x80], [0xEE, 0xBE],
    ]
    var random: UInt64 = 1
    for length in 0..<500 {
      names.append(
        (0..<length % 12).map { _ in
          random = random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
          return UInt8(random >> 56)
        })
    }
    for name in names { #expect(FileName.bytes(FileName.text(name)) == name, "\(name)") }
    // Different names have different texts.
    #expect(Set(names.map { Array(FileName.text($0).utf8) }).count == Set(names).count)
  }

  @Test func whatIsUTF8StaysAsItIs() {
    for name in ["cat.0.jpg", "café", "猫/犬.jpg", "\u{F000}"] {
      #expect(FileName.text(Array(name.utf8)) == name && FileName.isUTF8(name))
    }
    #expect(!FileName.isUTF8(FileName.text([0xE9])))
    #expect(!FileName.isUTF8(FileName.text([0xEE, 0xBF, 0xA9])))
  }

  @Test(arguments: [
    ("a cat.jpg", "a cat.jpg"), ("a\tb\nc\r", #"a\tb\nc\r"#), (#"a\nb"#, #"a\\nb"#),
    ("\u{1B}[31m", #"\u{1B}[31m"#), ("a\u{2028}b\u{85}", #"a\u{2028}b\u{85}"#),
    ("gpj.\u{202E}exe", #"gpj.\u{202E}exe"#), ("\u{EFE9}.jpg", #"\xE9.jpg"#), ("👩‍👩‍👧 é", "👩‍👩‍👧 é"),
  ])
  func shownInOneLine(name: String, shown: String) {
    #expect(FileName.shown(name) == shown)
    #expect(FileName.shown(shown, doublingBackslashes: false) == shown)
  }
}
