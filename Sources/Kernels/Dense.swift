// Dense layers: weights are [in][columns], columns a multiple of 16. One layer's 12.8 MB of
// weights come from memory, so each pass reads them once, in blocks of rows that the first-level
// cache holds.

import KernelInterface

extension Operations {
  static func denseForward(
    _ size: DenseSize, input: Source, weights: Source, block: Range<Int>, output: Target
  ) {
    let depthBlock = 32
    var depth = 0
    while depth < size.inputs {
      let run = min(depthBlock, size.inputs - depth)
      forBlocks(block.count) { first, width in
        let column = block.lowerBound + first
        let o = Operands(
          a: input + depth, aStride: size.inputs, aPass: 0, columns: width,
          b: weights + depth * size.columns + column, bDepth: size.columns, bPass: 0, run: run,
          passes: 1)
        product(
          o, rows: size.batch, c: output + column, cRow: size.columns, adding: depth > 0)
      }
      depth += run
    }
  }

  static func denseWeightGradient(
    _ size: DenseSize, input: Source, outputGradient: Source, rows: Int, width: Int,
    gradient: Target, gradientRow: Int
  ) {
    forBlocks(width) { column, blockWidth in
      let o = Operands(
        a: input, aStride: size.inputs, aPass: 0, columns: blockWidth, b: outputGradient + column,
        bDepth: size.columns, bPass: 0, run: size.batch, passes: 1)
      transposedProduct(o, rows: rows, c: gradient + column, cRow: gradientRow, adding: false)
    }
  }
}

#if AVX512
  let dotBatch = 5
  let dotRows = 4
#else
  let dotBatch = 2
  let dotRows = 2
#endif

extension Operations {
  // A dot product runs in 16 lanes over the columns and ends in one tree over the lanes.
  static func denseInputGradient(
    _ size: DenseSize, outputGradient: Source, weights: Source, rows: Range<Int>,
    inputGradient: Target
  ) {
    let (batch, inputs, columns) = (size.batch, size.inputs, size.columns)
    let end = rows.upperBound
    var row = rows.lowerBound
    while row < end {
      let rowCount = end - row >= dotRows ? dotRows : 1
      var picture = 0
      while picture < batch {
        let count = batch - picture >= dotBatch ? dotBatch : 1
        let w = weights + row * columns
        let g = outputGradient + picture * columns
        let d = inputGradient + picture * inputs + row
        switch (count, rowCount) {
        case (dotBatch, dotRows):
          #if AVX512
            Dots<5, 4>.compute(g, w, columns, d, inputs)
          #else
            Dots<2, 2>.compute(g, w, columns, d, inputs)
          #endif
        default:
          for i in 0..<count {
            for j in 0..<rowCount {
              Dots<1, 1>.compute(
                g + i * columns, w + j * columns, columns, d + i * inputs + j, inputs)
            }
          }
        }
        picture += count
      }
      row += rowCount
    }
  }
}

enum Dots<let batch: Int, let rows: Int> {
  /// d[batch][rows] (dRow floats between pictures) = g[batch][columns] * w[rows][columns].
  @inline(never)
  static func compute(_ g: Source, _ w: Source, _ columns: Int, _ d: Target, _ dRow: Int) {
    var sums = InlineArray<rows, InlineArray<batch, Vector>>(
      repeating: InlineArray(repeating: .zero))
    var column = 0
    while column < columns {
      var weights = InlineArray<rows, Vector>(repeating: .zero)
      for j in 0..<rows { weights[j] = load(w + j * columns + column) }
      for i in 0..<batch {
        let gradient = load(g + i * columns + column)
        for j in 0..<rows { sums[j][i].addProduct(weights[j], gradient) }
      }
      column += 16
    }
    for i in 0..<batch {
      if rows == 4 {
        let four = laneSums(sums[0][i], sums[1][i], sums[2][i], sums[3][i])
        UnsafeMutableRawPointer(d + i * dRow).storeBytes(of: four, as: SIMD4<Float>.self)
      } else {
        for j in 0..<rows { d[i * dRow + j] = laneSum(sums[j][i]) }
      }
    }
  }
}
