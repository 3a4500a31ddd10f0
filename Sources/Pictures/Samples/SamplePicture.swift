import Foundation
import Primitives

/// One drawn picture of an animal.
enum SamplePicture {
  /// A JPEG file, a function of the kind and the random draws alone.
  static func jpeg(_ kind: Animal.Kind, _ draws: CounterRandom) throws(PictureError) -> [UInt8] {
    var random = SampleRandom(draws)
    let picture = try draw(kind, &random)
    return try JPEG.encode(picture, quality: random.whole(60...95))
  }

  static func draw(_ kind: Animal.Kind, _ random: inout SampleRandom) throws(PictureError)
    -> DecodedPicture
  {
    let canvas = Canvas(width: random.whole(200...500), height: random.whole(200...500))
    background(canvas, &random)
    if kind == .fish { water(canvas, &random) }
    let animal = Animal(kind, &random)
    let side = Double(min(canvas.width, canvas.height))
    let scale = side / 2.4 * random.within(0.9...1.2)
    let (freeX, freeY) = (
      max(0.1, Double(canvas.width) - scale * 2.3), max(0.1, Double(canvas.height) - scale * 2.3)
    )
    let x = Double(canvas.width) / 2 + freeX * random.within(-0.5...0.5)
    let y = Double(canvas.height) / 2 + freeY * random.within(-0.5...0.5)
    let (angle, mirrored) = (random.within(-0.15...0.15), random.chance(0.5))
    if animal.pose != .portrait, kind != .fish {
      canvas.ellipse(x, y + scale * 1.1, scale * 0.9, scale * 0.14)
      canvas.fill(.black, opacity: 0.22)
    }
    canvas.frame(x: x, y: y, angle: angle, scale: scale, mirrored: mirrored) {
      switch kind {
      case .cat, .dog: Body(animal: animal, canvas: canvas).draw(&random)
      case .bird: Bird(animal: animal, canvas: canvas).draw(&random)
      case .fish: Fish(animal: animal, canvas: canvas).draw(&random)
      }
    }
    return try photograph(canvas, &random)
  }

  /// The background, in half of the pictures out of focus.
  private static func background(_ canvas: Canvas, _ random: inout SampleRandom) {
    guard random.chance(0.5) else { return Scene(canvas).draw(&random) }
    let blur = random.whole(5...12)
    let small = Canvas(width: canvas.width / blur, height: canvas.height / blur)
    Scene(small).draw(&random)
    canvas.paint(small)
  }

  /// Waves, in which a fish swims.
  private static func water(_ canvas: Canvas, _ random: inout SampleRandom) {
    let (width, height) = (Double(canvas.width), Double(canvas.height))
    let side = min(width, height)
    let length = side * random.within(0.2...0.3)
    for row in 0..<6 {
      let y = height * (Double(row) + random.within(0.3...0.7)) / 6
      let start = -length * random.within(0...1)
      let points = stride(from: start, to: width + length, by: length / 2).enumerated().map {
        Point($1, y + ($0 % 2 == 0 ? 0.02 : -0.02) * side)
      }
      canvas.curve(points)
      canvas.stroke(.white, width: side * 0.02, opacity: 0.75)
    }
  }

  /// Light, colour cast and noise, as a camera would add them.
  private static func photograph(
    _ canvas: Canvas, _ random: inout SampleRandom
  ) throws(PictureError) -> DecodedPicture {
    let light = random.within(0.8...1.15)
    let gains = (0..<3).map { _ in Int(light * random.within(0.9...1.1) * 256) }
    let noise = random.within(0...14)
    let strength = Int(noise * noise / 14 * 256 / 128)
    let seed = random.bits()
    let grain = CounterRandom(seed: seed, purpose: .samplePicture)
    var word: UInt64 = 0
    return try canvas.picture { value, channel, index in
      if index & 3 == 0 { word = grain.bits(UInt64(index >> 2)) }
      // The sum of two bytes, less its mean: a triangular distribution.
      let sum = Int(word & 0xFF) + Int(word >> 8 & 0xFF) - 255
      word >>= 16
      return UInt8(max(0, min(255, (Int(value) * gains[channel] + sum * strength) >> 8)))
    }
  }
}
