import Foundation

/// The head, seen from the front, about 1 from its centre to each side.
struct Head {
  let animal: Animal
  let canvas: Canvas
  private let line = 0.035

  func draw() {
    if animal.kind == .cat {
      for side in [-1.0, 1] { pointedEar(side) }
      skull(across: 0.92 + 0.12 * animal.face, down: 0.82)
      catEyes()
      catMuzzle()
    } else {
      if animal.earsFolded {
        for side in [-1.0, 1] { foldedEar(side) }
      }
      skull(across: 0.76 + 0.12 * animal.face, down: 0.92)
      dogEyes()
      dogMuzzle()
      if !animal.earsFolded {
        for side in [-1.0, 1] { floppyEar(side) }
      }
    }
  }

  /// Where the middle of the face is, as the head turns.
  private var middle: Double { animal.turn * 0.14 }

  private func skull(across: Double, down: Double) {
    let shape = (0..<12).map { step in
      let angle = Double(step) / 12 * 2 * Double.pi
      let cheek = sin(angle) > 0.2 ? 1.05 : 1.0
      return Point(cos(angle) * across * cheek, sin(angle) * down)
    }
    canvas.blob(shape)
    canvas.fill(
      from: animal.fur.lighter(0.12), at: Point(0, -1), to: animal.fur.darker(0.12),
      at: Point(0, 1), keepingPath: true)
    canvas.stroke(animal.dark, width: line)
    canvas.blob(shape)
    canvas.clipped { coat(across: across) }
  }

  private func coat(across: Double) {
    switch animal.coat {
    case .plain: break
    case .striped:
      for x in [-0.22, 0, 0.22] {
        canvas.curve([Point(x + middle, -0.95), Point(x * 0.8 + middle, -0.48)])
        canvas.stroke(animal.marking, width: 0.09)
      }
      for (side, y) in [(-1.0, 0.05), (1, 0.05), (-1, 0.3), (1, 0.3)] {
        canvas.curve([Point(side * across * 1.1, y), Point(side * across * 0.68, y + 0.04)])
        canvas.stroke(animal.marking, width: 0.08)
      }
    case .patched:
      let side = animal.turn < 0 ? -1.0 : 1.0
      canvas.ellipse(side * 0.45, -0.25, 0.42, 0.5, angle: side * 0.4)
      canvas.fill(animal.marking)
    case .lightFaced:
      canvas.blob([
        Point(middle, -0.95), Point(middle + 0.16, -0.3), Point(middle + 0.55, 0.35),
        Point(middle + 0.3, 1), Point(middle - 0.3, 1), Point(middle - 0.55, 0.35),
        Point(middle - 0.16, -0.3),
      ])
      canvas.fill(animal.light)
    }
  }

  private func pointedEar(_ side: Double) {
    let tip = Point(side * (0.74 + 0.12 * animal.face), -1.2 - 0.35 * animal.ears)
    let (outer, inner) = (Point(side * 0.94, -0.2), Point(side * 0.16, -0.72))
    canvas.polygon([outer, tip, inner])
    canvas.fill(animal.fur.darker(0.08), keepingPath: true)
    canvas.stroke(animal.dark, width: line)
    canvas.polygon([
      Point(side * 0.82, -0.45), Point(tip.x * 0.97, tip.y * 0.88), Point(side * 0.4, -0.7),
    ])
    canvas.fill(Color(0.86, 0.62, 0.58).mixed(animal.fur, 0.35))
  }

  private func floppyEar(_ side: Double) {
    let drop = 0.15 + 0.6 * animal.ears
    canvas.blob([
      Point(side * 0.42, -0.82), Point(side * 0.84, -0.78), Point(side * 1.12, -0.25),
      Point(side * 1.16, drop * 0.7), Point(side * 0.94, drop), Point(side * 0.74, drop * 0.5),
      Point(side * 0.66, -0.35),
    ])
    let color = animal.coat == .patched ? animal.marking : animal.fur.darker(0.22)
    canvas.fill(
      from: color, at: Point(0, -0.8), to: color.darker(0.15), at: Point(0, drop),
      keepingPath: true)
    canvas.stroke(animal.dark, width: line)
  }

  private func foldedEar(_ side: Double) {
    let top = -1.1 - 0.2 * animal.ears
    canvas.blob([
      Point(side * 0.3, -0.7), Point(side * 0.5, top), Point(side * 0.78, top + 0.05),
      Point(side * 0.86, -0.3),
    ])
    canvas.fill(animal.fur.darker(0.15), keepingPath: true)
    canvas.stroke(animal.dark, width: line)
    canvas.blob([
      Point(side * 0.5, top), Point(side * 0.8, top + 0.02), Point(side * 1.08, top + 0.48),
      Point(side * 0.72, top + 0.42),
    ])
    canvas.fill(animal.fur.darker(0.3), keepingPath: true)
    canvas.stroke(animal.dark, width: line)
  }

  private func catEyes() {
    for side in [-1.0, 1] {
      let (x, y) = (middle + side * 0.4, -0.1)
      canvas.ellipse(x, y, 0.24, 0.215, angle: side * -0.25)
      canvas.fill(animal.eyes, keepingPath: true)
      canvas.stroke(.black, width: line)
      canvas.ellipse(x, y, 0.035 + 0.09 * animal.pupils, 0.195)
      canvas.fill(Color(0.05, 0.05, 0.06))
      canvas.ellipse(x + 0.06, y - 0.07, 0.04, 0.04)
      canvas.fill(.white)
    }
  }

  private func dogEyes() {
    for side in [-1.0, 1] {
      let (x, y) = (middle + side * 0.33, -0.22)
      canvas.ellipse(x, y, 0.135, 0.14)
      canvas.fill(animal.eyes, keepingPath: true)
      canvas.stroke(.black, width: line)
      canvas.ellipse(x, y, 0.085, 0.09)
      canvas.fill(Color(0.05, 0.05, 0.06))
      canvas.ellipse(x + 0.045, y - 0.05, 0.033, 0.033)
      canvas.fill(.white)
    }
  }

  private func catMuzzle() {
    let x = middle * 1.5
    for side in [-1.0, 1] {
      canvas.ellipse(x + side * 0.15, 0.38, 0.22, 0.17)
      canvas.fill(animal.light)
    }
    canvas.polygon([Point(x - 0.1, 0.19), Point(x + 0.1, 0.19), Point(x, 0.3)])
    canvas.fill(animal.nose, keepingPath: true)
    canvas.stroke(animal.nose, width: 0.04)
    for side in [-1.0, 1] {
      canvas.curve([Point(x, 0.3), Point(x + side * 0.1, 0.45), Point(x + side * 0.25, 0.42)])
      canvas.stroke(animal.dark, width: line)
      for (fall, length) in [(-0.14, 0.72), (0.02, 0.8), (0.18, 0.7)] {
        canvas.curve([
          Point(x + side * 0.22, 0.36 + fall * 0.3),
          Point(x + side * (0.22 + length * 0.5), 0.34 + fall),
          Point(x + side * (0.22 + length), 0.4 + fall * 1.8),
        ])
        let whisker = animal.fur.red > 0.7 ? Color(0.25, 0.23, 0.22) : .white
        canvas.stroke(whisker, width: 0.028, opacity: 0.95)
      }
    }
  }

  private func dogMuzzle() {
    let x = middle * 1.9
    if animal.mouthOpen {
      canvas.ellipse(x, 0.78, 0.28, 0.24)
      canvas.fill(Color(0.30, 0.10, 0.11))
      canvas.ellipse(x + 0.02, 0.94, 0.19, 0.3)
      canvas.fill(Color(0.90, 0.47, 0.50), keepingPath: true)
      canvas.stroke(Color(0.65, 0.28, 0.33), width: 0.02)
    }
    canvas.blob([
      Point(x - 0.26, 0.06), Point(x + 0.26, 0.06), Point(x + 0.46, 0.48),
      Point(x + 0.26, 0.78), Point(x, 0.74), Point(x - 0.26, 0.78), Point(x - 0.46, 0.48),
    ])
    canvas.fill(
      from: animal.light.lighter(0.1), at: Point(0, 0), to: animal.light.darker(0.15),
      at: Point(0, 0.8), keepingPath: true)
    canvas.stroke(animal.dark, width: line * 0.6, opacity: 0.5)
    canvas.ellipse(x, 0.17, 0.23, 0.17)
    canvas.fill(animal.nose)
    canvas.ellipse(x - 0.06, 0.11, 0.05, 0.03)
    canvas.fill(.white, opacity: 0.7)
    for side in [-1.0, 1] {
      canvas.curve([
        Point(x, 0.3), Point(x, 0.5), Point(x + side * 0.16, 0.63),
        Point(x + side * 0.34, 0.56),
      ])
      canvas.stroke(animal.dark, width: line)
    }
  }
}
