import Foundation

/// Changes pictures of one size: an affine map with bilinear sampling, then brightness.
///
/// Places are fixed-point numbers and weights are 256ths, so that the result is exact on every
/// machine. Not thread-safe: it keeps memory between two pictures.
package final class Warp {
  private let height: Int
  private let width: Int
  /// The picture that is changed, a word for each pixel, with 16 bits for each colour: one
  /// multiplication weighs all of them.
  private let source: UnsafeMutablePointer<UInt64>

  /// For pictures of `height` x `width`, both at least 1.
  /// - Throws: `PictureError` without a path where there is no memory for it.
  package init(height: Int, width: Int) throws(PictureError) {
    (self.height, self.width) = (height, width)
    guard let memory = calloc(height * width, MemoryLayout<UInt64>.stride) else {
      throw Self.noMemory(height, width)
    }
    source = memory.assumingMemoryBound(to: UInt64.self)
  }

  deinit { free(source) }

  /// `picture`, which has the size that was given, changed by `transform`.
  /// - Throws: `PictureError` without a path where there is no memory for it.
  package func apply(
    _ transform: PictureTransform, fill: Augmentation.FillMode, to picture: DecodedPicture
  ) throws(PictureError) -> DecodedPicture {
    precondition(picture.height == height && picture.width == width)
    let map = transform.map(height: height, width: width)
    if map.isIdentity && transform.brightness == 1 { return picture }
    // A pixel is written as four bytes; the next one overwrites the fourth.
    guard let memory = malloc(picture.count + 1) else { throw Self.noMemory(height, width) }
    let pixels = memory.assumingMemoryBound(to: UInt8.self)
    if map.isIdentity {
      pixels.update(from: picture.bytes, count: picture.count)
    } else {
      spread(picture)
      let map = FixedMap(map)
      switch fill {
      case .nearest: warp(map, Nearest.self, into: pixels)
      case .constant: warp(map, Constant.self, into: pixels)
      case .reflect: warp(map, Reflect.self, into: pixels)
      case .wrap: warp(map, Wrap.self, into: pixels)
      }
    }
    if transform.brightness != 1 {
      Self.multiply(pixels, count: picture.count, by: transform.brightness)
    }
    return DecodedPicture(height: height, width: width, adopting: pixels)
  }

  private static func noMemory(_ height: Int, _ width: Int) -> PictureError {
    PictureError("\(width)x\(height) pixels: not enough memory to augment it")
  }

  private func spread(_ picture: DecodedPicture) {
    var byte = picture.bytes
    for place in 0..<height * width {
      source[place] = UInt64(byte[0]) | UInt64(byte[1]) << 16 | UInt64(byte[2]) << 32
      byte += 3
    }
  }

  private func warp<Edge: PictureEdge>(
    _ map: FixedMap, _ edge: Edge.Type, into pixels: UnsafeMutablePointer<UInt8>
  ) {
    let (height, width) = (height, width)
    let source = UnsafePointer(source)
    // Places below these have all four neighbours inside.
    let (right, bottom) = (UInt64(width - 1) << 32, UInt64(height - 1) << 32)
    var target = UnsafeMutableRawPointer(pixels)
    for row in 0..<height {
      var x = map.x &+ map.xy &* Int64(row)
      var y = map.y &+ map.yy &* Int64(row)
      for _ in 0..<width {
        let value: UInt64
        if UInt64(bitPattern: x) < right && UInt64(bitPattern: y) < bottom {
          let corner = source + (Int(y >> 32) &* width &+ Int(x >> 32))
          value = Self.mixed(
            corner[0], corner[1], corner[width], corner[width &+ 1], fraction(x), fraction(y))
        } else if let (x, y) = Edge.places(x, y, height: height, width: width) {
          let (upper, lower) = (source + y.first &* width, source + y.second &* width)
          value = Self.mixed(
            upper[x.first], upper[x.second], lower[x.first], lower[x.second], x.weight, y.weight)
        } else {
          value = 0
        }
        let bytes = value & 0xFF | value >> 8 & 0xFF00 | value >> 16 & 0xFF0000
        target.storeBytes(of: UInt32(truncatingIfNeeded: bytes).littleEndian, as: UInt32.self)
        target += 3
        x &+= map.xx
        y &+= map.yx
      }
    }
  }

  /// The mean of four neighbours, in 16 bits for each colour.
  /// - Parameters:
  ///   - x: the weight of those on the right, in 256ths.
  ///   - y: the weight of the lower ones.
  @inline(__always) private static func mixed(
    _ upperLeft: UInt64, _ upperRight: UInt64, _ lowerLeft: UInt64, _ lowerRight: UInt64,
    _ x: UInt64, _ y: UInt64
  ) -> UInt64 {
    let both = (x &* y &+ 128) >> 8
    // The weights' sum is 256, and no colour's sum is above 255 * 256.
    let sum =
      upperLeft &* (256 &- x &- y &+ both) &+ upperRight &* (x &- both)
      &+ lowerLeft &* (y &- both) &+ lowerRight &* both
    return (sum &+ 0x0080_0080_0080) >> 8 & 0x00FF_00FF_00FF
  }

  private static func multiply(
    _ pixels: UnsafeMutablePointer<UInt8>, count: Int, by brightness: Float
  ) {
    let table = (0...255).map { UInt8(max(0, min(255, Float($0) * brightness + 0.5))) }
    table.withUnsafeBufferPointer { table in
      for i in 0..<count { pixels[i] = table[Int(pixels[i])] }
    }
  }
}

/// An `AffineMap` with 32 bits after the point.
private struct FixedMap {
  let (xx, xy, x): (Int64, Int64, Int64)
  let (yx, yy, y): (Int64, Int64, Int64)

  init(_ map: AffineMap) {
    // Far beyond any picture, and far from what the sums of a row and a column overflow at.
    func fixed(_ value: Double) -> Int64 {
      Int64((max(-0x1p28, min(0x1p28, value)) * 0x1p32).rounded())
    }
    // Half a 256th, so that weights are rounded.
    let half: Int64 = 1 << 23
    (xx, xy, x) = (fixed(map.xx), fixed(map.xy), fixed(map.x) + half)
    (yx, yy, y) = (fixed(map.yx), fixed(map.yy), fixed(map.y) + half)
  }
}

/// The 256ths between a place and the whole number below.
@inline(__always) private func fraction(_ place: Int64) -> UInt64 {
  UInt64(bitPattern: place) >> 24 & 0xFF
}

/// Two neighbours along a row or a column, and the weight of the second in 256ths.
private struct Neighbours {
  var first: Int
  var second: Int
  var weight: UInt64
}

/// What is seen of a picture at places that have not all neighbours inside.
private protocol PictureEdge {
  /// The neighbours along a side of `count` pixels; nil where nothing is seen there.
  static func neighbours(_ place: Int64, count: Int) -> Neighbours?
}

extension PictureEdge {
  @inline(__always) fileprivate static func places(
    _ x: Int64, _ y: Int64, height: Int, width: Int
  ) -> (x: Neighbours, y: Neighbours)? {
    guard let x = neighbours(x, count: width), let y = neighbours(y, count: height) else {
      return nil
    }
    return (x, y)
  }
}

private enum Nearest: PictureEdge {
  @inline(__always) static func neighbours(_ place: Int64, count: Int) -> Neighbours? {
    let inside = max(0, min(place, Int64(count - 1) << 32))
    let first = Int(inside >> 32)
    return Neighbours(first: first, second: min(first + 1, count - 1), weight: fraction(inside))
  }
}

private enum Constant: PictureEdge {
  /// As scipy does, which does not mix the picture with what is beyond its edge.
  @inline(__always) static func neighbours(_ place: Int64, count: Int) -> Neighbours? {
    isInside(place, count) ? Nearest.neighbours(place, count: count) : nil
  }
}

private enum Reflect: PictureEdge {
  static func neighbours(_ place: Int64, count: Int) -> Neighbours? {
    let first = Int(place >> 32)
    return Neighbours(
      first: index(first, count), second: index(first + 1, count), weight: fraction(place))
  }

  private static func index(_ place: Int, _ count: Int) -> Int {
    let rest = remainder(place, 2 * count)
    return rest < count ? rest : 2 * count - 1 - rest
  }
}

private enum Wrap: PictureEdge {
  static func neighbours(_ place: Int64, count: Int) -> Neighbours? {
    if count == 1 || isInside(place, count) { return Nearest.neighbours(place, count: count) }
    let first = remainder(Int(place >> 32), count - 1)
    return Neighbours(first: first, second: first + 1, weight: fraction(place))
  }
}

/// Whether a place is between the first pixel and the last.
///
/// Half a 256th is in the place: they are seen as far as that beyond their middles.
@inline(__always) private func isInside(_ place: Int64, _ count: Int) -> Bool {
  place >= 0 && place < (Int64(count - 1) << 32) + (1 << 24)
}

/// From 0 to `count` - 1, for any sign.
private func remainder(_ place: Int, _ count: Int) -> Int {
  let rest = place % count
  return rest < 0 ? rest + count : rest
}
