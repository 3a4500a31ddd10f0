import Primitives

/// One change of a picture: the parameters that Keras's `ImageDataGenerator` draws.
///
/// Keras 3.15 calls the places' first coordinate x, along a row, and hands `tx`, which it draws
/// from the range of heights, to it: its `width_shift_range` moves pictures up and down. Here the
/// width's range moves along rows, as Keras documents it. In a square picture the two differ in
/// name only. In others Keras turns about a point that is not the centre, and Dogsled about the
/// centre.
package struct PictureTransform: Hashable, Sendable {
  /// Degrees: Keras's `theta`.
  package var rotation = 0.0
  /// Pixels along a row by which what is seen moves to the left: Keras's `tx`.
  package var left = 0.0
  /// Pixels along a column by which what is seen moves up: Keras's `ty`.
  package var up = 0.0
  /// Degrees.
  package var shear = 0.0
  /// How much of a row is seen: Keras's `zx`.
  package var zoomX = 1.0
  /// How much of a column is seen: Keras's `zy`.
  package var zoomY = 1.0
  /// Whether left and right change places, in the end.
  package var isMirrored = false
  /// Whether top and bottom do.
  package var isUpsideDown = false
  /// What pixels are multiplied by.
  package var brightness: Float = 1

  /// None.
  package init() {}

  /// The change of a picture in one pass over the data: a function of these values alone.
  ///
  /// Each parameter has a draw of its own, whatever others there are.
  package init(
    _ settings: Augmentation, seed: UInt64, pass: Int, picture: Int, height: Int, width: Int
  ) {
    let draws = CounterRandom(
      seed: seed, purpose: .augmentation, UInt64(bitPattern: Int64(pass)),
      UInt64(bitPattern: Int64(picture)))
    func symmetric(_ most: Float, _ index: UInt64) -> Double {
      Double(most) * (2 * draws.double(index) - 1)
    }
    func factor(_ range: FactorRange, _ index: UInt64) -> Double {
      range.lower + (range.upper - range.lower) * draws.double(index)
    }
    rotation = symmetric(settings.rotation, 0)
    left = symmetric(settings.widthShift, 1) * Double(width)
    up = symmetric(settings.heightShift, 2) * Double(height)
    shear = symmetric(settings.shear, 3)
    zoomX = factor(settings.zoom, 4)
    zoomY = settings.keepsAspect ? zoomX : factor(settings.zoom, 5)
    isMirrored = settings.horizontalFlip && draws.bits(6) >> 63 == 1
    isUpsideDown = settings.verticalFlip && draws.bits(7) >> 63 == 1
    brightness = Float(factor(settings.brightness, 8))
  }

  /// Where the pixels of the new picture are in the old one.
  func map(height: Int, width: Int) -> AffineMap {
    let turn = Trigonometry.sineAndCosine(degrees: rotation)
    let slant = Trigonometry.sineAndCosine(degrees: shear)
    // Keras's product: rotation, shift, shear, zoom, about the centre; mirrored in the end, which
    // is about the centre as well.
    let (across, down) = (isMirrored ? -zoomX : zoomX, isUpsideDown ? -zoomY : zoomY)
    let (shearX, shearY) = (-slant.sine * down, slant.cosine * down)
    let (centerX, centerY) = (Double(width - 1) / 2, Double(height - 1) / 2)
    var map = AffineMap()
    map.xx = turn.cosine * across
    map.xy = turn.cosine * shearX - turn.sine * shearY
    map.yx = turn.sine * across
    map.yy = turn.sine * shearX + turn.cosine * shearY
    map.x = centerX + (turn.cosine * left - turn.sine * up) - (map.xx * centerX + map.xy * centerY)
    map.y = centerY + (turn.sine * left + turn.cosine * up) - (map.yx * centerX + map.yy * centerY)
    return map
  }
}

/// A pixel at (row, column) of the new picture lies at column xx * column + xy * row + x and at row
/// yx * column + yy * row + y of the old one.
struct AffineMap: Hashable, Sendable {
  var (xx, xy, x) = (1.0, 0.0, 0.0)
  var (yx, yy, y) = (0.0, 1.0, 0.0)

  /// Whether every pixel stays where it is.
  var isIdentity: Bool { self == AffineMap() }
}
