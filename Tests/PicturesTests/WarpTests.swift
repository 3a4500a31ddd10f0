import Foundation
import Pictures
import Primitives
import Testing

/// The warp beside a naive one in double precision.
@Suite struct WarpTests {
  private static let modes = Augmentation.FillMode.allCases

  private func noise(height: Int, width: Int) throws -> DecodedPicture {
    let draws = CounterRandom(seed: 1, purpose: .samplePicture)
    return try DecodedPicture(height: height, width: width) { bytes in
      for i in bytes.indices { bytes[i] = UInt8(truncatingIfNeeded: draws.bits(UInt64(i))) }
    }
  }

  private func warped(
    _ picture: DecodedPicture, _ mode: Augmentation.FillMode = .nearest,
    _ change: (inout PictureTransform) -> Void
  ) throws -> [UInt8] {
    var transform = PictureTransform()
    change(&transform)
    return try Warp(height: picture.height, width: picture.width)
      .apply(transform, fill: mode, to: picture).array
  }

  @Test(arguments: modes) func `What changes nothing changes no bit`(
    _ mode: Augmentation.FillMode
  ) throws {
    for (height, width) in [(1, 1), (1, 7), (7, 1), (31, 40)] {
      let picture = try noise(height: height, width: width)
      #expect(try warped(picture, mode) { _ in } == picture.array)
      // The whole way, with nothing to see of it: a turn of nearly nothing.
      #expect(try warped(picture, mode) { $0.rotation = 1e-9 } == picture.array)
      #expect(try warped(picture, mode) { $0.rotation = 360 } == picture.array)
    }
  }

  @Test(arguments: modes) func `Flips and quarter turns move whole pixels`(
    _ mode: Augmentation.FillMode
  ) throws {
    let picture = try noise(height: 12, width: 12)
    let pixels = stride(from: 0, to: 12 * 12 * 3, by: 3).map { Array(picture.array[$0..<$0 + 3]) }
    func moved(_ place: (_ row: Int, _ column: Int) -> (Int, Int)) -> [UInt8] {
      (0..<144).flatMap { i in
        let (row, column) = place(i / 12, i % 12)
        return pixels[row * 12 + column]
      }
    }
    #expect(try warped(picture, mode) { $0.isMirrored = true } == moved { ($0, 11 - $1) })
    #expect(try warped(picture, mode) { $0.isUpsideDown = true } == moved { (11 - $0, $1) })
    #expect(try warped(picture, mode) { $0.rotation = 180 } == moved { (11 - $0, 11 - $1) })
    #expect(try warped(picture, mode) { $0.rotation = 90 } == moved { ($1, 11 - $0) })
    // Not square: about the centre.
    let wide = try noise(height: 5, width: 9)
    let turned = try warped(wide, mode) { $0.rotation = 180 }
    let both = try warped(wide, mode) {
      $0.isMirrored = true
      $0.isUpsideDown = true
    }
    #expect(turned == both && turned != wide.array)
  }

  @Test func `What lies beyond the edges is seen as the mode says`() throws {
    let picture = try DecodedPicture(height: 1, width: 4) { bytes in
      for i in bytes.indices { bytes[i] = UInt8(10 * (i / 3 + 1)) }
    }
    let expected: [(Augmentation.FillMode, [UInt8])] = [
      (.nearest, [40, 40, 40, 40]), (.constant, [40, 0, 0, 0]), (.reflect, [40, 40, 30, 20]),
      (.wrap, [40, 20, 30, 10]),
    ]
    for (mode, row) in expected {
      let pixels = try warped(picture, mode) { $0.left = 3 }
      #expect(stride(from: 0, to: 12, by: 3).map { pixels[$0] } == row, "\(mode)")
    }
  }

  @Test func `Brightness multiplies and rounds, and ends at white`() throws {
    let picture = try noise(height: 9, width: 30)
    for factor in [0.001, 0.5, 1.1, 10] as [Float] {
      let expected = picture.array.map {
        UInt8(min(255, (Float($0) * factor + 0.5).rounded(.down)))
      }
      #expect(try warped(picture) { $0.brightness = factor } == expected)
    }
  }

  /// Weights are 256ths, as are the fractions of places: on noise that is worth one of 255 or two.
  @Test(arguments: modes) func `Any change is the one that a naive warp makes`(
    _ mode: Augmentation.FillMode
  ) throws {
    let draws = CounterRandom(seed: 2, purpose: .samplePicture)
    for (height, width) in [(24, 24), (17, 40), (40, 3), (2, 2), (1, 9)] {
      let picture = try noise(height: height, width: width)
      var far = 0
      let cases = 60
      for number in 0..<cases {
        func draw(_ index: Int) -> Double { draws.double(UInt64(number * 10 + index)) * 2 - 1 }
        var change = PictureTransform()
        (change.rotation, change.shear) = (180 * draw(0), 89 * draw(1))
        (change.left, change.up) = (Double(width) * draw(2), Double(height) * draw(3))
        (change.zoomX, change.zoomY) = (5.001 + 5 * draw(4), 1.01 + draw(5))
        (change.isMirrored, change.isUpsideDown) = (draw(6) > 0, draw(7) > 0)
        let own = try warped(picture, mode) { $0 = change }
        let naive = NaiveWarp(picture: picture, change: change, mode: mode).pixels
        far += zip(own, naive).count { abs(Double($0) - $1) > 2 }
      }
      // At an edge, a rounding decides whether it is black, or which end of the picture it is.
      let most = mode == .constant || mode == .wrap ? 0.01 : 0
      #expect(Double(far) <= most * Double(cases * height * width * 3), "\(height)x\(width)")
    }
  }

  /// The least and the largest of all that may be asked for.
  @Test(arguments: modes) func `No change of a run's values ends the program`(
    _ mode: Augmentation.FillMode
  ) throws {
    for (height, width) in [(1, 1), (1, 300), (300, 1), (50, 60)] {
      let picture = try noise(height: height, width: width)
      for degrees in [-180.0, 0, 1e-300, 180] {
        for shear in [-89.9999, 0, 89.9999] {
          for zoom in [1e-30, 1e-3, 1, 10] {
            for shift in [-0.99999, 0, 0.99999] {
              let pixels = try warped(picture, mode) {
                ($0.rotation, $0.shear) = (degrees, shear)
                ($0.zoomX, $0.zoomY) = (zoom, 10 / zoom)
                ($0.left, $0.up) = (shift * Double(width), -shift * Double(height))
              }
              #expect(pixels.count == picture.count)
            }
          }
        }
      }
    }
  }
}

/// Keras's product of matrices, and scipy's sampling, pixel by pixel.
private struct NaiveWarp {
  let picture: DecodedPicture
  let change: PictureTransform
  let mode: Augmentation.FillMode

  var pixels: [Double] {
    let matrix = matrix
    return (0..<picture.height).flatMap { row in
      (0..<picture.width).flatMap { column in
        let place = matrix.map { $0[0] * Double(column) + $0[1] * Double(row) + $0[2] }
        return sample(x: place[0], y: place[1])
      }
    }
  }

  private var matrix: [[Double]] {
    let (theta, slant) = (change.rotation * .pi / 180, change.shear * .pi / 180)
    let (x, y) = (Double(picture.width - 1) / 2, Double(picture.height - 1) / 2)
    let factors: [[[Double]]] = [
      [[1, 0, x], [0, 1, y], [0, 0, 1]],
      [[cos(theta), -sin(theta), 0], [sin(theta), cos(theta), 0], [0, 0, 1]],
      [[1, 0, change.left], [0, 1, change.up], [0, 0, 1]],
      [[1, -sin(slant), 0], [0, cos(slant), 0], [0, 0, 1]],
      [[change.zoomX, 0, 0], [0, change.zoomY, 0], [0, 0, 1]],
      [[1, 0, -x], [0, 1, -y], [0, 0, 1]],
      [
        [change.isMirrored ? -1 : 1, 0, change.isMirrored ? 2 * x : 0],
        [0, change.isUpsideDown ? -1 : 1, change.isUpsideDown ? 2 * y : 0], [0, 0, 1],
      ],
    ]
    return factors.dropFirst().reduce(factors[0]) { a, b in
      (0..<3).map { i in (0..<3).map { j in (0..<3).reduce(0) { $0 + a[i][$1] * b[$1][j] } } }
    }
  }

  private func sample(x: Double, y: Double) -> [Double] {
    let (height, width) = (picture.height, picture.width)
    let isInside = (0...Double(width - 1)).contains(x) && (0...Double(height - 1)).contains(y)
    if mode == .constant, !isInside { return [0, 0, 0] }
    var sum = [0.0, 0, 0]
    for (row, rowWeight) in neighbours(y, height) {
      for (column, columnWeight) in neighbours(x, width) {
        for colour in 0..<3 {
          let value = picture.bytes[(row * width + column) * 3 + colour]
          sum[colour] += rowWeight * columnWeight * Double(value)
        }
      }
    }
    return sum
  }

  private func neighbours(_ place: Double, _ count: Int) -> [(Int, Double)] {
    switch mode {
    case .nearest, .constant:
      let inside = max(0, min(place, Double(count - 1)))
      let low = Int(inside)
      return [(low, 1 - inside + Double(low)), (min(low + 1, count - 1), inside - Double(low))]
    case .reflect:
      let low = Int(place.rounded(.down))
      return [(low, 1 - place + Double(low)), (low + 1, place - Double(low))].map { index, weight in
        let rest = ((index % (2 * count)) + 2 * count) % (2 * count)
        return (min(rest, 2 * count - 1 - rest), weight)
      }
    case .wrap:
      guard count > 1 else { return [(0, 1)] }
      let side = Double(count - 1)
      if place == side { return [(count - 1, 1)] }
      let rest = place - side * (place / side).rounded(.down)
      let low = min(Int(rest), count - 2)
      return [(low, 1 - rest + Double(low)), (low + 1, rest - Double(low))]
    }
  }
}
