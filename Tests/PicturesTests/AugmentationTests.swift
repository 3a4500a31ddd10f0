import Foundation
import Pictures
import Primitives
import Testing

/// What is drawn for a picture, and what it is drawn from.
@Suite struct AugmentationTests {
  private static let all: Augmentation = {
    var settings = Augmentation.book
    settings.verticalFlip = true
    settings.brightness = .between(0.5, 1.25)
    settings.fillMode = .reflect
    return settings
  }()

  private func draw(
    _ settings: Augmentation = all, seed: UInt64 = 3, pass: Int = 0, picture: Int = 0
  ) -> PictureTransform {
    PictureTransform(
      settings, seed: seed, pass: pass, picture: picture, height: 100, width: 200)
  }

  @Test func `The same key draws the same change, another one another`() {
    #expect(draw() == draw())
    var drawn: Set<PictureTransform> = []
    for seed in 0..<4 as Range<UInt64> {
      for pass in 0..<10 {
        for picture in 0..<25 { drawn.insert(draw(seed: seed, pass: pass, picture: picture)) }
      }
    }
    #expect(drawn.count == 1000)
    // Whatever number a coordinator may send.
    for extreme in [Int.min, -1, .max] { _ = draw(pass: extreme, picture: extreme) }
  }

  @Test func `Each range is held, and all of it is used`() {
    let drawn = (0..<4000).map { draw(pass: $0 % 7, picture: $0) }
    let ranges: [(KeyPath<PictureTransform, Double>, ClosedRange<Double>)] = [
      (\.rotation, -40...40), (\.left, -40.001...40.001), (\.up, -20.001...20.001),
      (\.shear, -0.2001...0.2001), (\.zoomX, 0.7999...1.2001), (\.zoomY, 0.7999...1.2001),
    ]
    for (value, range) in ranges {
      let values = drawn.map { $0[keyPath: value] }
      #expect(values.allSatisfy(range.contains))
      let (width, middle) = (
        range.upperBound - range.lowerBound, (range.upperBound + range.lowerBound) / 2
      )
      #expect((values.min() ?? 0) < range.lowerBound + 0.01 * width)
      #expect((values.max() ?? 0) > range.upperBound - 0.01 * width)
      // Five standard errors of a uniform mean.
      #expect(abs(values.reduce(0, +) / 4000 - middle) < 5 * width / (12 * 4000).squareRoot())
    }
    let brightness = drawn.map(\.brightness)
    #expect(brightness.allSatisfy { $0 >= 0.5 && $0 <= 1.25 })
    #expect((brightness.min() ?? 0) < 0.51 && (brightness.max() ?? 0) > 1.24)
    for flip in [\PictureTransform.isMirrored, \.isUpsideDown] {
      #expect((1840...2160).contains(drawn.count { $0[keyPath: flip] }))
    }
    // Along rows and columns by draws of their own.
    #expect(drawn.allSatisfy { $0.zoomX != $0.zoomY })
  }

  @Test func `A parameter's draw does not depend on which others there are`() {
    var one = Augmentation()
    one.zoom = .around(0.2)
    for picture in 0..<10 {
      let (alone, together) = (draw(one, picture: picture), draw(picture: picture))
      #expect((alone.zoomX, alone.zoomY) == (together.zoomX, together.zoomY))
      #expect(alone.rotation == 0 && alone.left == 0 && alone.up == 0 && alone.shear == 0)
      #expect(alone.brightness == 1 && !alone.isMirrored && !alone.isUpsideDown)
    }
    #expect(draw(Augmentation()) == PictureTransform())
  }

  @Test func `Settings come back from their text, wrong ones do not`() throws {
    for settings in [Augmentation(), .book, Self.all] {
      #expect(Augmentation(settings.description) == settings)
    }
    #expect(Augmentation().isNone && !Augmentation.book.isNone)
    let good = "40.0 0.2 0.2 0.2 0.2 true false 0.0 nearest false"
    #expect(Augmentation(good) == .book)
    let wrong = [
      "", "40.0", good + " ", good + " 1", good.replacing("40.0", with: "1e9"),
      good.replacing("40.0", with: "nan"), good.replacing("40.0", with: "-1"),
      good.replacing("true", with: "yes"), good.replacing("nearest", with: "blue"),
      good.replacing("40.0 0.2", with: "40.0 1"), good.replacing("0.2 true", with: "2 true"),
      good.replacing("0.2 true", with: "0.9,0.8 true"),
      good.replacing("0.2 true", with: "0.5,inf true"),
      good.replacing("false 0.0", with: "false x"),
    ]
    for text in wrong { #expect(Augmentation(text) == nil, "\(text)") }
  }

  @Test func `A range is one number or two`() throws {
    #expect(FactorRange("0.25") == .around(0.25) && FactorRange("0.5,2") == .between(0.5, 2))
    for text in ["", ",", "1,", ",1", "1,2,3", "a", "1 2", "0.2 "] {
      #expect(FactorRange(text) == nil, "\(text)")
    }
    for text in ["0", "0.999", "1,1", "0.5,10", "0.001,0.002"] {
      #expect(try #require(FactorRange(text)).isValid, "\(text)")
    }
    for text in ["1", "2", "-0.1", "nan", "inf", "0,1", "-1,1", "2,1", "1,10.1", "nan,1", "1,nan"] {
      #expect(try #require(FactorRange(text)).isValid == false, "\(text)")
    }
    for range in [FactorRange.around(0.2), .between(0.8, 1.3)] {
      let json = try JSONEncoder().encode([range])
      #expect(try JSONDecoder().decode([FactorRange].self, from: json) == [range])
    }
    #expect(throws: DecodingError.self) {
      try JSONDecoder().decode([FactorRange].self, from: Data(#"["a"]"#.utf8))
    }
  }

  /// Beside the C library's, which is within a rounding of the true ones.
  @Test func `Sine and cosine are right to 1e-15`() {
    for i in -72_000...72_000 {
      let degrees = Double(i) * 0.01
      let own = Trigonometry.sineAndCosine(degrees: degrees)
      // A turn's remainder is exact: the C library is given an angle that it need not reduce.
      let radians = degrees.remainder(dividingBy: 360) * .pi / 180
      guard abs(own.sine - sin(radians)) < 1e-15, abs(own.cosine - cos(radians)) < 1e-15 else {
        Issue.record("\(degrees) degrees: \(own)")
        return
      }
    }
    for (degrees, sine, cosine) in [
      (0.0, 0.0, 1.0), (90, 1, 0), (180, 0, -1), (-90, -1, 0), (-180, 0, -1), (270, -1, 0),
    ] {
      let own = Trigonometry.sineAndCosine(degrees: degrees)
      #expect(own.sine == sine && own.cosine == cosine, "\(degrees)")
    }
  }
}
