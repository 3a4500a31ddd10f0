// Winograd's minimal filtering F(4x4, 3x3) (A. Lavin and S. Gray, "Fast Algorithms for
// Convolutional Neural Networks", CVPR 2016): a tile of 4 x 4 outputs Y of a 3 x 3 convolution is
// computed from a tile of 6 x 6 inputs d and the kernel g with 36 products a channel pair instead
// of 144:
//
//   U = G g G^T     V = B^T d B     M = sum over input channels of U * V     Y = A^T M A
//
//         1/4    0     0              4  0 -5  0  1  0
//        -1/6  -1/6  -1/6             0 -4 -4  1  1  0            1  1  1  1  1  0
//   G =  -1/6   1/6  -1/6      B^T =  0  4 -4 -1  1  0     A^T =  0  1 -1  2 -2  0
//        1/24  1/12   1/6             0 -2 -1  2  1  0            0  1  1  4  4  0
//        1/24 -1/12   1/6             0  2 -1 -2  1  0            0  1 -1  8 -8  1
//          0     0     1              0  4  0 -5  0  1
//
// The gradients are the exact adjoints, over the same tiles:
//
//   dM = A dY A^T     dU = sum over tiles of V dM     dV = sum over output channels of U dM
//   dg = G^T dU G     dd = B dV B^T, added where tiles overlap
//
// A tile's journey. Tiles are taken in blocks of some dozens, so that V and M of a block stay in
// the second-level cache: V is [36 positions][tile][in], M is [36][tile][out], U is
// [36][out / 32][in][32], its last block perhaps of 16 columns. For each of the 36 positions the
// sum over channels is a plain matrix product, which is where the time goes.
// `WinogradForward.swift` makes U, V and Y, `WinogradBackward.swift` the gradients. Each function
// takes 16 channels at a time; a tile's columns are transformed into a small scratch, and its rows
// from there.

import KernelInterface

/// A tile's place; counts on row by row through the pictures.
struct TilePlace {
  var picture: Int
  var row: Int
  var column: Int

  @inline(__always)
  init(_ index: Int, _ grid: TileGrid) {
    let inPicture = index % (grid.rows * grid.columns)
    picture = index / (grid.rows * grid.columns)
    row = inPicture / grid.columns
    column = inPicture % grid.columns
  }

  /// Where row `y` and column `x` of the tile's picture lie in a map of all pictures.
  @inline(__always)
  func offset(_ y: Int, _ x: Int, in map: TileGrid.Map) -> Int {
    picture * map.picture + y * map.row + x * map.channels
  }

  @inline(__always)
  mutating func advance(_ grid: TileGrid) {
    column += 1
    guard column == grid.columns else { return }
    column = 0
    row += 1
    guard row == grid.rows else { return }
    row = 0
    picture += 1
  }
}

typealias Four = (Vector, Vector, Vector, Vector)
typealias Six = (Vector, Vector, Vector, Vector, Vector, Vector)

@inline(__always)
func loadSix(_ p: Source, _ stride: Int) -> Six {
  (
    load(p), load(p + stride), load(p + 2 * stride), load(p + 3 * stride), load(p + 4 * stride),
    load(p + 5 * stride)
  )
}

@inline(__always)
func storeSix(_ v: Six, _ p: Target, _ stride: Int) {
  store(v.0, p)
  store(v.1, p + stride)
  store(v.2, p + 2 * stride)
  store(v.3, p + 3 * stride)
  store(v.4, p + 4 * stride)
  store(v.5, p + 5 * stride)
}

@inline(__always)
func storeFour(_ v: Four, _ p: Target, _ stride: Int) {
  store(v.0, p)
  store(v.1, p + stride)
  store(v.2, p + 2 * stride)
  store(v.3, p + 3 * stride)
}

// MARK: The matrices, applied to one column or row

/// B^T d.
@inline(__always)
func inputTransform(_ d: Six) -> Six {
  let even = d.4 - d.2 * 4
  let odd = d.3 - d.1 * 4
  let difference = d.4 - d.2
  let twice = (d.3 - d.1) * 2
  return (
    even + (d.0 * 4 - d.2), even + odd, even - odd, difference + twice, difference - twice,
    (d.5 - d.3) - twice * 2
  )
}

/// B v, the adjoint of `inputTransform`.
@inline(__always)
func inputAdjoint(_ v: Six) -> Six {
  let sum12 = v.1 + v.2
  let difference21 = v.2 - v.1
  let sum34 = v.3 + v.4
  let twice43 = (v.4 - v.3) * 2
  let first = v.0 * 4
  let last = v.5 * 4
  return (
    first, difference21 * 4 + (last + twice43), Vector.zero - ((first + sum12 * 4) + (sum34 + v.0)),
    Vector.zero - ((last + v.5) + (difference21 + twice43)), (v.0 + sum12) + sum34, v.5
  )
}

/// A^T m.
@inline(__always)
func outputTransform(_ m: Six) -> Four {
  let sum12 = m.1 + m.2
  let difference12 = m.1 - m.2
  let sum34 = m.3 + m.4
  let difference34 = m.3 - m.4
  return (
    m.0 + sum12 + sum34, difference12 + difference34 * 2, sum12 + sum34 * 4,
    difference12 + (difference34 * 8 + m.5)
  )
}

/// A y, the adjoint of `outputTransform`.
@inline(__always)
func outputAdjoint(_ y: Four) -> Six {
  let even = y.0 + y.2
  let odd = y.1 + y.3
  let even4 = y.0 + y.2 * 4
  let odd8 = y.1 * 2 + y.3 * 8
  return (y.0, even + odd, even - odd, even4 + odd8, even4 - odd8, y.3)
}

/// G g.
@inline(__always)
func filterTransform(_ g: (Vector, Vector, Vector)) -> Six {
  let even = (g.0 + g.2) * (-1 / 6)
  let odd = g.1 * (-1 / 6)
  let even24 = (g.2 * 4 + g.0) * (1 / 24)
  let odd12 = g.1 * (1 / 12)
  return (g.0 * 0.25, even + odd, even - odd, even24 + odd12, even24 - odd12, g.2)
}

/// G^T u, the adjoint of `filterTransform`.
@inline(__always)
func filterAdjoint(_ u: Six) -> (Vector, Vector, Vector) {
  let sum12 = (u.1 + u.2) * (1 / 6)
  let difference12 = (u.1 - u.2) * (1 / 6)
  let sum34 = u.3 + u.4
  let difference34 = u.3 - u.4
  return (
    u.0 * 0.25 + (sum34 * (1 / 24) - sum12), difference34 * (1 / 12) - difference12,
    (sum34 * (1 / 6) + u.5) - sum12
  )
}

/// Where the outputs of some tiles lie in the stage's output map, as one run from their first row
/// to their last: `rows` rows a tile.
@inline(__always)
func outputRun(
  _ grid: TileGrid, _ tiles: Range<Int>, rows: Int
) -> (start: Int, count: Int) {
  let (from, to) = (TilePlace(tiles.lowerBound, grid), TilePlace(tiles.upperBound - 1, grid))
  let start = from.offset(from.row * rows, 0, in: grid.output)
  // Not to the end of the last row: a border to the left moves that beyond the map.
  let lastRow = min((to.row + 1) * rows, grid.outputHeight) - 1
  let end = to.offset(lastRow, grid.outputWidth, in: grid.output)
  return (start, end - start)
}

/// Reads `count` floats with plain loads.
///
/// The transforms wait for memory, not for arithmetic, and lines that were read in one run before,
/// also those that will be written, cost half of those met in the transform's own order; the sum is
/// stored so that the loads are not optimised away.
@inline(__always)
func touch(_ source: Source, _ count: Int, _ scratch: Target) {
  var a = Vector.zero
  var b = Vector.zero
  var i = 0
  while i + 32 <= count {
    a += load(source + i)
    b += load(source + i + 16)
    i += 32
  }
  store(a + b, scratch)
}
