import Foundation

/// What is behind an animal, in pixels of the canvas; the same for all kinds.
struct Scene {
  let canvas: Canvas
  private let width: Double
  private let height: Double

  init(_ canvas: Canvas) {
    self.canvas = canvas
    (width, height) = (Double(canvas.width), Double(canvas.height))
  }

  func draw(_ random: inout SampleRandom) {
    switch random.whole(0...6) {
    case 0...1: meadow(&random)
    case 2...3: room(&random)
    case 4...5: lights(&random)
    default: blanket(&random)
    }
  }

  private func gradient(_ first: Color, _ last: Color, from top: Double, to bottom: Double) {
    canvas.rectangle(0, top, width, bottom - top)
    canvas.fill(from: first, at: Point(0, top), to: last, at: Point(0, bottom))
  }

  private func meadow(_ random: inout SampleRandom) {
    let horizon = height * random.within(0.35...0.65)
    let sky = random.one(of: [
      Color(0.45, 0.66, 0.90), Color(0.70, 0.78, 0.85), Color(0.94, 0.70, 0.52),
      Color(0.36, 0.45, 0.66),
    ])
    gradient(random.near(sky, 0.08), sky.lighter(0.5), from: 0, to: horizon)
    for _ in 0..<random.whole(0...3) {
      let (x, y) = (random.within(0...width), random.within(0...horizon * 0.6))
      for puff in -1...1 {
        canvas.ellipse(
          x + Double(puff) * width * 0.06, y, width * random.within(0.05...0.09), height * 0.04)
        canvas.fill(.white, opacity: 0.75)
      }
    }
    let grass = random.near(
      random.one(of: [
        Color(0.36, 0.56, 0.22), Color(0.55, 0.60, 0.28), Color(0.72, 0.62, 0.38),
        Color(0.88, 0.90, 0.93),
      ]), 0.07)
    for _ in 0..<random.whole(0...5) { tree(random.within(0...width), horizon, &random) }
    gradient(grass.lighter(0.2), grass.darker(0.3), from: horizon, to: height)
    for _ in 0..<random.whole(40...110) {
      let (x, y) = (random.within(0...width), random.within(horizon...height))
      let tall = height * random.within(0.02...0.07)
      canvas.curve([Point(x, y), Point(x + tall * random.within(-0.4...0.4), y - tall)])
      canvas.stroke(
        random.chance(0.5) ? grass.lighter(0.25) : grass.darker(0.25), width: width * 0.006)
    }
    let petals = random.color(saturation: 0.2...0.8, brightness: 0.8...1)
    for _ in 0..<random.whole(0...12) {
      let size = width * random.within(0.006...0.016)
      canvas.ellipse(random.within(0...width), random.within(horizon...height), size, size)
      canvas.fill(petals)
    }
  }

  private func tree(_ x: Double, _ ground: Double, _ random: inout SampleRandom) {
    let tall = height * random.within(0.15...0.4)
    let leaves = random.near(Color(0.20, 0.42, 0.22), 0.1)
    canvas.rectangle(x - tall * 0.05, ground - tall * 0.4, tall * 0.1, tall * 0.45)
    canvas.fill(Color(0.36, 0.26, 0.18))
    if random.chance(0.5) {
      canvas.polygon([
        Point(x - tall * 0.3, ground - tall * 0.2), Point(x, ground - tall),
        Point(x + tall * 0.3, ground - tall * 0.2),
      ])
    } else {
      canvas.ellipse(x, ground - tall * 0.65, tall * 0.32, tall * 0.38)
    }
    canvas.fill(leaves)
  }

  private func room(_ random: inout SampleRandom) {
    let floor = height * random.within(0.5...0.8)
    let wall = random.color(saturation: 0.05...0.4, brightness: 0.45...0.95)
    gradient(wall.lighter(0.1), wall.darker(0.1), from: 0, to: floor)
    if random.chance(0.5) {
      let step = width * random.within(0.05...0.15)
      for x in stride(from: 0, to: width, by: step) {
        canvas.rectangle(x, 0, step * 0.3, floor)
        canvas.fill(wall.darker(0.12))
      }
    }
    if random.chance(0.6) {
      let (x, y) = (random.within(0...width * 0.7), random.within(0...height * 0.2))
      let (across, down) = (width * random.within(0.2...0.4), height * random.within(0.2...0.35))
      canvas.rectangle(x, y, across, down)
      canvas.fill(
        from: random.color(saturation: 0.2...0.7, brightness: 0.4...1), at: Point(x, y),
        to: random.color(saturation: 0.2...0.7, brightness: 0.4...1), at: Point(x, y + down),
        keepingPath: true)
      canvas.stroke(random.chance(0.5) ? .white : Color(0.3, 0.2, 0.14), width: width * 0.02)
    }
    let wood = random.near(
      random.one(of: [Color(0.60, 0.42, 0.26), Color(0.75, 0.64, 0.50), Color(0.40, 0.36, 0.36)]),
      0.08)
    gradient(wood, wood.darker(0.2), from: floor, to: height)
    for plank in 1..<7 {
      let y = floor + (height - floor) * Double(plank * plank) / 36
      canvas.curve([Point(0, y), Point(width, y)])
      canvas.stroke(wood.darker(0.35), width: max(1, height * 0.004))
    }
    if random.chance(0.5) {
      canvas.ellipse(
        random.within(0...width), height * random.within(0.8...1),
        width * random.within(0.25...0.5),
        height * random.within(0.08...0.16))
      canvas.fill(random.color(saturation: 0.3...0.8, brightness: 0.3...0.9))
    }
    for _ in 0..<random.whole(0...3) { toy(floor, &random) }
  }

  private func toy(_ floor: Double, _ random: inout SampleRandom) {
    let (x, y) = (random.within(0...width), random.within(floor...height))
    let size = width * random.within(0.03...0.08)
    let color = random.color(saturation: 0.4...0.9, brightness: 0.4...0.95)
    if random.chance(0.5) {
      canvas.ellipse(x, y, size, size)
    } else {
      canvas.polygon([Point(x - size, y + size), Point(x, y - size), Point(x + size, y + size)])
    }
    canvas.fill(color, keepingPath: true)
    canvas.stroke(color.darker(0.4), width: max(1, size * 0.08))
  }

  private func lights(_ random: inout SampleRandom) {
    gradient(
      random.color(saturation: 0.1...0.6, brightness: 0.2...0.9),
      random.color(saturation: 0.1...0.6, brightness: 0.2...0.9), from: 0, to: height)
    for _ in 0..<random.whole(8...30) {
      let size = width * random.within(0.02...0.14)
      canvas.ellipse(random.within(0...width), random.within(0...height), size, size)
      canvas.fill(
        random.color(saturation: 0.1...0.7, brightness: 0.3...1),
        opacity: random.within(0.15...0.5))
    }
  }

  private func blanket(_ random: inout SampleRandom) {
    let ground = random.color(saturation: 0.1...0.6, brightness: 0.3...0.9)
    gradient(ground.lighter(0.1), ground.darker(0.1), from: 0, to: height)
    let step = width * random.within(0.08...0.22)
    canvas.frame(x: width / 2, y: height / 2, angle: random.within(-0.8...0.8)) {
      let reach = width + height
      for (share, opacity) in [(0.5, 0.15), (0.12, 0.25)] {
        let color = random.color(saturation: 0.2...0.8, brightness: 0.2...0.95)
        for place in stride(from: -reach, to: reach, by: step) {
          canvas.rectangle(place, -reach, step * share, 2 * reach)
          canvas.fill(color, opacity: opacity)
          canvas.rectangle(-reach, place, 2 * reach, step * share)
          canvas.fill(color, opacity: opacity)
        }
      }
    }
  }
}
