// The matrix microkernel. A tile is a few rows of 32 columns, or 16, whose sums stay in registers
// while the depth runs by; its number of rows is a compile-time constant. Each sum takes its
// products in the order of the depth, so the bits do not depend on how rows are cut into tiles.
//
// AVX-512 has 32 registers of 16 floats: up to 12 rows of two vectors, and two vectors of the
// right-hand side. AVX2 has 16 registers of 8, NEON 32 of 4: there a tile is done one vector
// (16 columns) after the other and has at most 6 rows.

import KernelInterface

#if AVX512
  let tileRowsMax = 12
#else
  let tileRowsMax = 6
#endif

/// Where the operands of a product c = a b lie; strides are in floats.
///
/// The depth is `passes` runs of `run`: a convolution's kernel rows, each kernelWidth * channels
/// neighbouring floats of the input; a plain product has one pass.
struct Operands {
  /// Element (row i, pass p, k) is at p * aPass + i * aRow + k * aDepth; either aRow or aDepth
  /// is 1, the other is `aStride`.
  var a: Source
  var aStride: Int
  var aPass: Int
  /// The columns of (p, k), 32 or 16, are at p * bPass + k * bDepth.
  var columns: Int
  var b: Source
  var bDepth: Int
  var bPass: Int
  var run: Int
  var passes: Int
}

/// The microkernel; with `transposed` 0 a's depth is contiguous, with 1 its rows are neighbours.
enum Tile<let rows: Int, let transposed: Int> {
  /// c[rows][columns] = (adding ? c : 0) + a b.
  @inline(__always)
  static func product(_ o: Operands, _ c: Target, _ cRow: Int, _ adding: Bool) {
    #if AVX512
      if o.columns == blockColumns { return wide(o, c, cRow, adding) }
    #endif
    for column in stride(from: 0, to: o.columns, by: 16) {
      narrow(o, column, c + column, cRow, adding)
    }
  }

  #if AVX512
    /// 32 columns.
    @inline(never)
    private static func wide(_ o: Operands, _ c: Target, _ cRow: Int, _ adding: Bool) {
      let aRow = transposed == 1 ? 1 : o.aStride
      let aDepth = transposed == 1 ? o.aStride : 1
      var left = InlineArray<rows, Vector>(repeating: .zero)
      var right = InlineArray<rows, Vector>(repeating: .zero)
      if adding {
        for i in 0..<rows {
          left[i] = load(c + i * cRow)
          right[i] = load(c + i * cRow + 16)
        }
      }
      for pass in 0..<o.passes {
        var a = o.a + pass * o.aPass
        var b = o.b + pass * o.bPass
        for _ in 0..<o.run {
          let b0 = load(b)
          let b1 = load(b + 16)
          for i in 0..<rows {
            let factor = Vector(repeating: a[i * aRow])
            left[i].addProduct(factor, b0)
            right[i].addProduct(factor, b1)
          }
          a += aDepth
          b += o.bDepth
        }
      }
      for i in 0..<rows {
        store(left[i], c + i * cRow)
        store(right[i], c + i * cRow + 16)
      }
    }
  #endif

  /// The 16 columns from `column` on.
  @inline(never)
  private static func narrow(
    _ o: Operands, _ column: Int, _ c: Target, _ cRow: Int, _ adding: Bool
  ) {
    let aRow = transposed == 1 ? 1 : o.aStride
    let aDepth = transposed == 1 ? o.aStride : 1
    var sums = InlineArray<rows, Vector>(repeating: .zero)
    if adding {
      for i in 0..<rows { sums[i] = load(c + i * cRow) }
    }
    for pass in 0..<o.passes {
      var a = o.a + pass * o.aPass
      var b = o.b + pass * o.bPass + column
      for _ in 0..<o.run {
        let b0 = load(b)
        for i in 0..<rows { sums[i].addProduct(Vector(repeating: a[i * aRow]), b0) }
        a += aDepth
        b += o.bDepth
      }
    }
    for i in 0..<rows { store(sums[i], c + i * cRow) }
  }
}

/// c[rows][columns] = (adding ? c : 0) + a b for any number of rows, cut evenly into tiles.
@inline(__always)
func product(_ o: Operands, rows: Int, c: Target, cRow: Int, adding: Bool) {
  forTiles(rows) { first, count in
    var part = o
    part.a += first * o.aStride
    plainTile(count, part, c + first * cRow, cRow, adding)
  }
}

/// The same for a left-hand side whose rows are neighbours.
@inline(__always)
func transposedProduct(_ o: Operands, rows: Int, c: Target, cRow: Int, adding: Bool) {
  forTiles(rows) { first, count in
    var part = o
    part.a += first
    transposedTile(count, part, c + first * cRow, cRow, adding)
  }
}

@inline(__always)
func forTiles(_ rows: Int, _ body: (_ first: Int, _ count: Int) -> Void) {
  let tiles = (rows + tileRowsMax - 1) / tileRowsMax
  var first = 0
  for tile in 1...max(tiles, 1) {
    let next = rows * tile / max(tiles, 1)
    body(first, next - first)
    first = next
  }
}

/// Calls the plain tile that was compiled for `rows`.
@inline(never)
func plainTile(_ rows: Int, _ o: Operands, _ c: Target, _ cRow: Int, _ adding: Bool) {
  switch rows {
  case 1: Tile<1, 0>.product(o, c, cRow, adding)
  case 2: Tile<2, 0>.product(o, c, cRow, adding)
  case 3: Tile<3, 0>.product(o, c, cRow, adding)
  case 4: Tile<4, 0>.product(o, c, cRow, adding)
  case 5: Tile<5, 0>.product(o, c, cRow, adding)
  case 6: Tile<6, 0>.product(o, c, cRow, adding)
  #if AVX512
    case 7: Tile<7, 0>.product(o, c, cRow, adding)
    case 8: Tile<8, 0>.product(o, c, cRow, adding)
    case 9: Tile<9, 0>.product(o, c, cRow, adding)
    case 10: Tile<10, 0>.product(o, c, cRow, adding)
    case 11: Tile<11, 0>.product(o, c, cRow, adding)
    case 12: Tile<12, 0>.product(o, c, cRow, adding)
  #endif
  default: break
  }
}

/// Calls the transposed tile that was compiled for `rows`.
@inline(never)
func transposedTile(_ rows: Int, _ o: Operands, _ c: Target, _ cRow: Int, _ adding: Bool) {
  switch rows {
  case 1: Tile<1, 1>.product(o, c, cRow, adding)
  case 2: Tile<2, 1>.product(o, c, cRow, adding)
  case 3: Tile<3, 1>.product(o, c, cRow, adding)
  case 4: Tile<4, 1>.product(o, c, cRow, adding)
  case 5: Tile<5, 1>.product(o, c, cRow, adding)
  case 6: Tile<6, 1>.product(o, c, cRow, adding)
  #if AVX512
    case 7: Tile<7, 1>.product(o, c, cRow, adding)
    case 8: Tile<8, 1>.product(o, c, cRow, adding)
    case 9: Tile<9, 1>.product(o, c, cRow, adding)
    case 10: Tile<10, 1>.product(o, c, cRow, adding)
    case 11: Tile<11, 1>.product(o, c, cRow, adding)
    case 12: Tile<12, 1>.product(o, c, cRow, adding)
  #endif
  default: break
  }
}
