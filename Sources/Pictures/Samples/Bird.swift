import Foundation

/// A bird seen from the side, in a frame of about -1.2 to 1.2 each way.
struct Bird {
  let animal: Animal
  let canvas: Canvas
  private let line = 0.025

  func draw(_ random: inout SampleRandom) {
    let fat = 0.34 + 0.14 * animal.build
    tail()
    if animal.pose != .lying { legs(below: 0.2 + fat) }
    body(fat, &random)
    head()
    wing(fat)
  }

  private func tail() {
    let rise = 0.5 * animal.tail
    canvas.polygon([
      Point(-0.4, 0.1), Point(-1.2, 0.35 - rise), Point(-1.15, 0.55 - rise), Point(-0.4, 0.4),
    ])
    canvas.fill(animal.marking.darker(0.15), keepingPath: true)
    canvas.stroke(animal.dark, width: line)
  }

  private func legs(below y: Double) {
    for x in [-0.08, 0.16] {
      canvas.curve([Point(x, y - 0.1), Point(x + 0.02, 1.08)])
      canvas.curve([Point(x - 0.08, 1.12), Point(x + 0.02, 1.06), Point(x + 0.16, 1.12)])
      canvas.stroke(animal.nose.mixed(Color(0.8, 0.5, 0.2), 0.5), width: 0.09)
    }
  }

  private func body(_ fat: Double, _ random: inout SampleRandom) {
    let shape = [
      Point(0.62, -0.3), Point(0.72, 0.05), Point(0.4, 0.15 + fat), Point(-0.2, 0.2 + fat),
      Point(-0.7, 0.25), Point(-0.4, -0.02), Point(0.2, -0.2),
    ]
    canvas.blob(shape)
    canvas.fill(
      from: animal.fur.lighter(0.1), at: Point(0, -0.3), to: animal.light, at: Point(0, 0.7),
      keepingPath: true)
    canvas.stroke(animal.dark, width: line)
    canvas.blob(shape)
    canvas.clipped {
      guard animal.coat != .plain else { return }
      for _ in 0..<14 {
        canvas.ellipse(
          random.within(-0.6...0.6), random.within(0...0.7), 0.03, 0.05,
          angle: random.within(-0.4...0.4))
        canvas.fill(animal.marking, opacity: 0.8)
      }
    }
  }

  private func head() {
    let (x, y, size) = (0.6, -0.5, 0.3 + 0.06 * animal.face)
    let (long, open) = (0.35 + 0.3 * animal.ears, animal.mouthOpen ? 0.08 : 0.02)
    for side in [-1.0, 1] {
      canvas.polygon([
        Point(x + size * 0.8, y + side * 0.12), Point(x + size + long, y + 0.04 + side * open),
        Point(x + size * 0.8, y + 0.03),
      ])
      canvas.fill(animal.nose.mixed(Color(0.95, 0.65, 0.15), 0.6), keepingPath: true)
      canvas.stroke(animal.dark, width: line)
    }
    canvas.ellipse(x, y, size, size * 0.94)
    canvas.fill(animal.coat == .patched ? animal.marking : animal.fur, keepingPath: true)
    canvas.stroke(animal.dark, width: line)
    canvas.ellipse(x + size * 0.35, y - 0.05, 0.075, 0.075)
    canvas.fill(animal.eyes, keepingPath: true)
    canvas.stroke(animal.dark, width: line)
    canvas.ellipse(x + size * 0.38, y - 0.05, 0.04, 0.04)
    canvas.fill(.black)
  }

  /// Folded, or lifted as the animal's turn has it.
  private func wing(_ fat: Double) {
    let lift = max(0, animal.turn) * 0.9
    canvas.blob([
      Point(0.35, -0.02), Point(0.3, 0.1 + fat * 0.6), Point(-0.35, 0.35 - lift * 0.6),
      Point(-0.85, 0.3 - lift), Point(-0.25, 0.02 - lift * 0.5),
    ])
    canvas.fill(animal.fur.darker(0.22), keepingPath: true)
    canvas.stroke(animal.dark, width: line)
    // Feathers wide enough to be seen in a picture of 64 pixels.
    for step in 1...4 {
      let x = 0.3 - 0.22 * Double(step)
      canvas.curve([Point(x + 0.2, 0.08 - lift * 0.3), Point(x - 0.15, 0.3 - lift * 0.55)])
      canvas.stroke(animal.dark, width: 0.05, opacity: 0.9)
    }
  }
}
