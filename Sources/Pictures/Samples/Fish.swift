import Foundation

/// A fish seen from the side, in a frame of about -1.2 to 1.2 each way.
struct Fish {
  let animal: Animal
  let canvas: Canvas
  private let line = 0.025

  func draw(_ random: inout SampleRandom) {
    let tall = 0.34 + 0.28 * animal.build
    fins(tall)
    let shape = [
      Point(1.0, 0.05), Point(0.62, -tall * 0.75), Point(0, -tall), Point(-0.62, -0.14),
      Point(-0.62, 0.14), Point(0, tall), Point(0.62, tall * 0.75),
    ]
    canvas.blob(shape)
    canvas.fill(
      from: animal.fur.darker(0.12), at: Point(0, -tall), to: animal.light, at: Point(0, tall),
      keepingPath: true)
    canvas.stroke(animal.dark, width: line)
    canvas.blob(shape)
    canvas.clipped { scales(tall, &random) }
    face()
    bubbles(&random)
  }

  /// They rise from the mouth.
  private func bubbles(_ random: inout SampleRandom) {
    for step in 0..<4 {
      let (x, y) = (0.98 + random.within(-0.1...0.15), -0.2 - 0.25 * Double(step))
      let size = random.within(0.06...0.11)
      canvas.ellipse(x, y, size, size)
      canvas.fill(.white, opacity: 0.6, keepingPath: true)
      canvas.stroke(animal.dark, width: 0.035)
    }
  }

  /// The tail, the fin above and the one below.
  private func fins(_ tall: Double) {
    let spread = 0.32 + 0.3 * animal.tail
    let fins = [
      [Point(-0.5, 0), Point(-1.2, -spread), Point(-1.0, 0), Point(-1.2, spread)],
      [
        Point(0.4, -tall * 0.8), Point(0.1, -tall - 0.2 - 0.3 * animal.ears),
        Point(-0.5, -tall * 0.4),
      ],
      [Point(0.1, tall * 0.85), Point(-0.2, tall + 0.25), Point(-0.4, tall * 0.4)],
    ]
    for fin in fins {
      canvas.polygon(fin)
      canvas.fill(animal.marking, keepingPath: true)
      canvas.stroke(animal.dark, width: line)
    }
  }

  private func scales(_ tall: Double, _ random: inout SampleRandom) {
    switch animal.coat {
    case .plain: break
    case .striped:
      for step in -2...2 {
        let x = Double(step) * 0.25 + random.within(-0.04...0.04)
        canvas.curve([Point(x, -tall), Point(x + 0.08, 0), Point(x, tall)])
        canvas.stroke(animal.marking, width: 0.1, opacity: 0.9)
      }
    case .patched:
      for _ in 0..<4 {
        canvas.ellipse(
          random.within(-0.5...0.5), random.within(-tall...tall), random.within(0.1...0.25),
          random.within(0.08...0.2))
        canvas.fill(animal.marking)
      }
    case .lightFaced:
      canvas.ellipse(0.85, 0, 0.38, tall)
      canvas.fill(animal.light)
    }
    // Large enough to be seen in a picture of 64 pixels.
    for row in -3...3 {
      for column in -3...2 {
        let shift = row % 2 == 0 ? 0 : 0.1
        let (x, y) = (Double(column) * 0.2 + shift, Double(row) * 0.2)
        canvas.curve([Point(x, y - 0.1), Point(x - 0.09, y), Point(x, y + 0.1)])
        canvas.stroke(animal.dark, width: 0.035, opacity: 0.9)
      }
    }
  }

  private func face() {
    canvas.curve([Point(0.5, -0.26), Point(0.42, 0), Point(0.5, 0.26)])
    canvas.stroke(animal.dark, width: line)
    canvas.blob([Point(0.3, 0.06), Point(0.02, 0.0 + 0.2 * animal.face), Point(0.1, 0.3)])
    canvas.fill(animal.marking.darker(0.1), keepingPath: true)
    canvas.stroke(animal.dark, width: line)
    canvas.ellipse(0.7, -0.1, 0.1, 0.1)
    canvas.fill(.white, keepingPath: true)
    canvas.stroke(animal.dark, width: line)
    canvas.ellipse(0.71 + 0.02 * animal.turn, -0.1, 0.055, 0.055)
    canvas.fill(.black)
    let gape = animal.mouthOpen ? 0.07 : 0.01
    canvas.curve([Point(0.98, 0.08 - gape), Point(0.86, 0.12), Point(0.98, 0.14 + gape)])
    canvas.stroke(animal.dark, width: line)
  }
}
