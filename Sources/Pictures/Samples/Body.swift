import Foundation

/// The whole animal in a frame of about -1.2 to 1.2 each way, the head included.
struct Body {
  let animal: Animal
  let canvas: Canvas
  private let line = 0.022

  func draw(_ random: inout SampleRandom) {
    switch animal.pose {
    case .portrait: portrait(&random)
    case .sitting: sitting(&random)
    case .standing: standing(&random)
    case .lying: lying(&random)
    }
  }

  private var isCat: Bool { animal.kind == .cat }
  /// 0.85 to 1.15.
  private var fat: Double { 0.85 + 0.3 * animal.build }

  private func head(_ x: Double, _ y: Double, _ size: Double) {
    canvas.frame(x: x, y: y, angle: animal.tilt, scale: size) {
      Head(animal: animal, canvas: canvas).draw()
    }
  }

  private func portrait(_ random: inout SampleRandom) {
    let wide = (isCat ? 0.62 : 0.78) * fat
    coated(
      [
        Point(-wide * 0.6, 0.2), Point(wide * 0.6, 0.2), Point(wide, 0.85), Point(wide * 1.2, 3),
        Point(-wide * 1.2, 3), Point(-wide, 0.85),
      ], &random)
    if animal.coat != .plain {
      canvas.ellipse(0, 1.05, wide * 0.42, 0.42)
      canvas.fill(animal.light)
    }
    collar(0, 0.62, wide * 0.72)
    head(0, -0.08, 0.82)
  }

  private func sitting(_ random: inout SampleRandom) {
    let wide = (isCat ? 0.42 : 0.5) * fat
    if isCat {
      tail(
        [
          Point(wide * 0.8, 1.0), Point(wide * 1.9, 0.9), Point(wide * 2.2, 0.3 + animal.tail),
          Point(wide * (2.6 - animal.tail), 0.15),
        ], 0.13)
    } else {
      tail([Point(wide * 0.8, 0.95), Point(wide * 1.7, 0.75), Point(wide * 2.0, 0.4)], 0.2)
    }
    for side in [-1.0, 1] { paw(side * wide * 1.05, 1.08, 0.24) }
    coated(
      [
        Point(-0.3, -0.1), Point(0.3, -0.1), Point(wide * 1.0, 0.5), Point(wide * 1.25, 0.95),
        Point(wide * 0.7, 1.12), Point(-wide * 0.7, 1.12), Point(-wide * 1.25, 0.95),
        Point(-wide * 1.0, 0.5),
      ], &random)
    if animal.coat != .plain {
      canvas.ellipse(0, 0.38, wide * 0.5, 0.36)
      canvas.fill(animal.light)
    }
    let thick = isCat ? 0.16 : 0.21
    for side in [-1.0, 1] {
      limb([Point(side * 0.16, 0.5), Point(side * 0.18, 1.06)], thick)
      paw(side * 0.18, 1.12, thick * 0.75)
    }
    collar(0, 0.12, 0.34)
    head(0, -0.42, 0.58)
  }

  private func standing(_ random: inout SampleRandom) {
    let (deep, legs, thick) = isCat ? (0.3 * fat, 0.98, 0.14) : (0.38 * fat, 1.05, 0.2)
    if isCat {
      tail(
        [
          Point(-0.7, 0.1), Point(-1.02, -0.05), Point(-1.08, -0.55),
          Point(-0.95 - 0.3 * animal.tail, -0.95),
        ], 0.12)
    } else {
      tail(
        [Point(-0.7, 0.05), Point(-0.98, -0.15), Point(-1.02 + 0.3 * animal.tail, -0.45)], 0.18)
    }
    for x in [-0.52, 0.42] { limb([Point(x, 0.4), Point(x + 0.05, legs - 0.04)], thick, 0.2) }
    coated(
      [
        Point(-0.78, 0.15), Point(-0.5, -0.1), Point(0.1, -0.02), Point(0.5, -0.3),
        Point(0.78, 0.05), Point(0.6, 0.1 + deep * 1.3), Point(0, 0.1 + deep),
        Point(-0.6, 0.1 + deep * 1.2),
      ], &random)
    for x in [-0.66, 0.56] {
      limb([Point(x, 0.35), Point(x, legs)], thick)
      paw(x + 0.04, legs + 0.04, thick * 0.75)
    }
    collar(0.6, -0.15, 0.26)
    head(0.66, -0.48, 0.49)
  }

  private func lying(_ random: inout SampleRandom) {
    let tall = (isCat ? 0.34 : 0.38) * fat
    if isCat {
      tail(
        [
          Point(-0.85, 0.75), Point(-1.15, 0.85), Point(-0.9, 1.02),
          Point(-0.2 - 0.4 * animal.tail, 1.0),
        ], 0.13)
    } else {
      tail([Point(-0.85, 0.7), Point(-1.15, 0.7 - 0.3 * animal.tail)], 0.19)
    }
    coated(
      [
        Point(-0.95, 0.8), Point(-0.75, 0.75 - tall), Point(-0.2, 0.62 - tall),
        Point(0.5, 0.6 - tall), Point(0.85, 0.7), Point(0.7, 0.98), Point(-0.7, 1),
      ], &random)
    canvas.ellipse(-0.55, 0.78, 0.3, 0.24)
    canvas.fill(animal.fur.darker(0.08), keepingPath: true)
    canvas.stroke(animal.dark, width: line)
    let thick = isCat ? 0.15 : 0.2
    for y in [0.9, 0.98] {
      limb([Point(0.35, y), Point(0.95, y + 0.02)], thick)
      paw(1.0, y + 0.02, thick * 0.7)
    }
    collar(0.48, 0.42, 0.34)
    head(0.5, 0, 0.56)
  }

  /// A part of the body with the animal's coat on it.
  private func coated(_ shape: [Point], _ random: inout SampleRandom) {
    canvas.blob(shape)
    canvas.fill(
      from: animal.fur.lighter(0.08), at: Point(0, -0.3), to: animal.fur.darker(0.18),
      at: Point(0, 1.2), keepingPath: true)
    canvas.stroke(animal.dark, width: line)
    canvas.blob(shape)
    canvas.clipped {
      switch animal.coat {
      case .plain, .lightFaced: break
      case .striped:
        for step in -4...4 {
          let x = Double(step) * 0.24 + random.within(-0.05...0.05)
          canvas.curve([Point(x, -0.4), Point(x + 0.06, 0.3), Point(x - 0.03, 0.55)])
          canvas.stroke(animal.marking, width: 0.07, opacity: 0.9)
        }
      case .patched:
        for _ in 0..<4 {
          canvas.ellipse(
            random.within(-0.9...0.9), random.within(0...1), random.within(0.15...0.35),
            random.within(0.12...0.3), angle: random.within(0...3))
          canvas.fill(animal.marking)
        }
      }
      hairs(&random)
    }
  }

  private func hairs(_ random: inout SampleRandom) {
    for step in 0..<70 {
      let (x, y) = (random.within(-1.2...1.2), random.within(-0.3...1.5))
      let lean = random.within(-0.04...0.04)
      canvas.curve([Point(x, y), Point(x + lean, y + 0.1)])
      let color = step % 2 == 0 ? animal.fur.lighter(0.3) : animal.fur.darker(0.3)
      canvas.stroke(color, width: 0.014, opacity: 0.45)
    }
  }

  private func tail(_ points: [Point], _ width: Double) { limb(points, width) }

  private func limb(_ points: [Point], _ width: Double, _ shade: Double = 0) {
    canvas.curve(points)
    canvas.stroke(animal.dark, width: width + 2 * line, keepingPath: true)
    canvas.stroke(animal.fur.darker(shade), width: width)
  }

  private func paw(_ x: Double, _ y: Double, _ size: Double) {
    canvas.ellipse(x, y, size, size * 0.62)
    canvas.fill(animal.coat == .plain ? animal.fur : animal.light, keepingPath: true)
    canvas.stroke(animal.dark, width: line)
    for offset in [-0.3, 0.3] {
      canvas.curve([
        Point(x + offset * size, y + size * 0.1), Point(x + offset * size, y + size * 0.5),
      ])
      canvas.stroke(animal.dark, width: line * 0.7)
    }
  }

  private func collar(_ x: Double, _ y: Double, _ half: Double) {
    guard let color = animal.collar else { return }
    canvas.curve([Point(x - half, y - 0.05), Point(x, y + 0.1), Point(x + half, y - 0.05)])
    canvas.stroke(color, width: 0.1)
  }
}
