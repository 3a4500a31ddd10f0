// Winograd's forward pass: kernels to U, inputs to V, products to M, M to outputs with bias, relu
// and 2 x 2 max pooling. See Winograd.swift for the matrices and the layouts.

/// One tap's [in][out] weights as [rows][columns], padded with zeros to multiples of 16.
/// - Parameter transposed: rows are the output channels; otherwise the input channels.
public func winogradPad(
  weights: Source, inChannels: Int, outChannels: Int, columns: Int, transposed: Bool,
  padded: Target
) {
  let (rowCount, columnCount) = transposed ? (outChannels, inChannels) : (inChannels, outChannels)
  let (rowStride, columnStride) = transposed ? (1, outChannels) : (outChannels, 1)
  // In squares, so that a transposition finds its lines in the cache.
  for firstRow in stride(from: 0, to: rowCount, by: 16) {
    for firstColumn in stride(from: 0, to: columnCount, by: 16) {
      for row in firstRow..<min(firstRow + 16, rowCount) {
        for column in firstColumn..<min(firstColumn + 16, columnCount) {
          padded[row * columns + column] = weights[row * rowStride + column * columnStride]
        }
      }
    }
  }
}

/// U of [9][rows][columns] padded weights, for the block of columns `first..<first + width`.
/// - Parameter u: [36][columns / 32][rows][32], positions rows * columns + gap apart.
public func winogradFilter(
  padded: Source, rows: Int, columns: Int, first: Int, width: Int, u: Target, scratch: Target
) {
  let area = rows * columns
  let position = area + winogradGap
  for row in 0..<rows {
    for half in 0..<width / 16 {
      let g = padded + row * columns + first + half * 16
      for x in 0..<3 {
        let column = (load(g + x * area), load(g + (3 + x) * area), load(g + (6 + x) * area))
        storeSix(filterTransform(column), scratch + x * 16, 3 * 16)
      }
      let target = u + first * rows + row * width + half * 16
      for y in 0..<6 {
        let s = scratch + y * 3 * 16
        storeSix(
          filterTransform((load(s), load(s + 16), load(s + 32))), target + y * 6 * position,
          position)
      }
    }
  }
}

/// V of the tiles `first..<first + count`.
/// - Parameters:
///   - input: the map of the first picture, at the first tile's corner.
///   - v: [36][count][in], `position` floats apart.
public func winogradInput(
  _ grid: TileGrid, first: Int, count: Int, input: Source, v: Target, position: Int,
  scratch: Target
) {
  var place = TilePlace(first, grid)
  let last = TilePlace(first + count - 1, grid)
  let start = place.picture * grid.inputPicture + place.row * 4 * grid.inputRow
  let end = last.picture * grid.inputPicture + (last.row * 4 + 6) * grid.inputRow
  touch(input + start, end - start, scratch)
  for tile in 0..<count {
    let corner =
      place.picture * grid.inputPicture + place.row * 4 * grid.inputRow
      + place.column * 4 * grid.inChannels
    var channel = 0
    while channel < grid.inChannels {
      transformInputTile(
        input + corner + channel, grid.inputRow, grid.inChannels,
        v + tile * grid.inChannels + channel, position, scratch)
      channel += 16
    }
    place.advance(grid)
  }
}

@inline(never)
func transformInputTile(
  _ d: Source, _ row: Int, _ column: Int, _ v: Target, _ position: Int, _ scratch: Target
) {
  for x in 0..<6 {
    storeSix(inputTransform(loadSix(d + x * column, row)), scratch + x * 16, 6 * 16)
  }
  for y in 0..<6 {
    storeSix(
      inputTransform(loadSix(scratch + y * 6 * 16, 16)), v + y * 6 * position, position)
  }
}

/// M = V U for `count` tiles: for each of some positions [count][in] times [in][out].
public func winogradProducts(
  _ grid: TileGrid, firstPosition: Int, positions: Int, count: Int, v: Source, vPosition: Int,
  u: Source, m: Target, mPosition: Int
) {
  let (depth, columns) = (grid.inChannels, grid.outChannels)
  for position in firstPosition..<firstPosition + positions {
    forBlocks(columns) { first, width in
      let o = Operands(
        a: v + position * vPosition, aStride: depth, aPass: 0, columns: width,
        b: u + position * (depth * columns + winogradGap) + first * depth, bDepth: width,
        bPass: 0, run: depth, passes: 1)
      product(
        o, rows: count, c: m + position * mPosition + first, cRow: columns, adding: false)
    }
  }
}

/// Outputs of the tiles `first..<first + count`, max-pooled by 2 x 2.
/// - Parameters:
///   - m: [36][count][out], `position` floats apart.
///   - output: the pooled map of the first picture.
///   - codes: [tile of all][out]: 4 bits a window, as `poolRows` has them, in the windows' order.
public func winogradOutputPooled(
  _ grid: TileGrid, first: Int, count: Int, m: Source, position: Int, bias: Source, relu: Bool,
  output: Target, codes: UnsafeMutablePointer<Int32>, scratch: Target
) {
  var place = TilePlace(first, grid)
  let run = outputRun(grid, first, count, rows: 2)
  touch(output + run.start, run.count, scratch)
  for tile in 0..<count {
    let (y, x) = (place.row * 2, place.column * 2)
    let windows = (min(2, grid.outputHeight - y), min(2, grid.outputWidth - x))
    let target =
      output + place.picture * grid.outputPicture + y * grid.outputRow + x * grid.outChannels
    var channel = 0
    while channel < grid.outChannels {
      transformOutputTile(m + tile * grid.outChannels + channel, position, scratch)
      poolTile(
        scratch, windows, bias + channel, relu, target + channel, grid.outputRow, grid.outChannels,
        codes + (first + tile) * grid.outChannels + channel)
      channel += 16
    }
    place.advance(grid)
  }
}

/// Outputs of the tiles `first..<first + count`, not pooled.
public func winogradOutput(
  _ grid: TileGrid, first: Int, count: Int, m: Source, position: Int, bias: Source, relu: Bool,
  output: Target, scratch: Target
) {
  var place = TilePlace(first, grid)
  let run = outputRun(grid, first, count, rows: 4)
  touch(output + run.start, run.count, scratch)
  for tile in 0..<count {
    let (y, x) = (place.row * 4, place.column * 4)
    let target =
      output + place.picture * grid.outputPicture + y * grid.outputRow + x * grid.outChannels
    var channel = 0
    while channel < grid.outChannels {
      transformOutputTile(m + tile * grid.outChannels + channel, position, scratch)
      for dy in 0..<min(4, grid.outputHeight - y) {
        for dx in 0..<min(4, grid.outputWidth - x) {
          var v = load(scratch + (dy * 4 + dx) * 16) + load(bias + channel)
          if relu { v.replace(with: Vector.zero, where: .!(v .> Vector.zero)) }
          store(v, target + dy * grid.outputRow + dx * grid.outChannels + channel)
        }
      }
      channel += 16
    }
    place.advance(grid)
  }
}

/// scratch[4][4][16] = A^T M A.
@inline(never)
func transformOutputTile(_ m: Source, _ position: Int, _ scratch: Target) {
  let columns = scratch + 16 * 16
  for x in 0..<6 {
    storeFour(
      outputTransform(loadSix(m + x * position, 6 * position)), columns + x * 16, 6 * 16)
  }
  for y in 0..<4 {
    storeFour(outputTransform(loadSix(columns + y * 6 * 16, 16)), scratch + y * 4 * 16, 16)
  }
}

/// Pools a tile's [4][4][16] values to its two by two windows, or fewer at the map's edge.
@inline(__always)
func poolTile(
  _ values: Source, _ windows: (rows: Int, columns: Int), _ bias: Source, _ relu: Bool,
  _ output: Target, _ outputRow: Int, _ outputColumn: Int, _ codes: UnsafeMutablePointer<Int32>
) {
  var code = SIMD16<Int32>.zero
  for y in 0..<windows.rows {
    for x in 0..<windows.columns {
      let window = poolWindow(
        values + (y * 8 + x * 2) * 16, 2, 16, 4 * 16, bias, relu,
        output + y * outputRow + x * outputColumn)
      code |= window &<< SIMD16(repeating: Int32(truncatingIfNeeded: (y &* 2 &+ x) &* 4))
    }
  }
  UnsafeMutableRawPointer(codes).storeBytes(of: code, as: SIMD16<Int32>.self)
}
