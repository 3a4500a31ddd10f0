// Winograd's forward pass: kernels to U, inputs to V, products to M, M to outputs with bias, relu
// and 2 x 2 max pooling. See Winograd.swift for the matrices and the layouts.

import KernelInterface

extension Operations {
  static func winogradPad(
    _ weights: Source, inputs: Int, outputs: Int, columns: Int, transposed: Bool, padded: Target
  ) {
    let (rowCount, columnCount) = transposed ? (outputs, inputs) : (inputs, outputs)
    let (rowStride, columnStride) = transposed ? (1, outputs) : (outputs, 1)
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

  static func winogradFilter(
    _ padded: Source, rows: Int, columns: Int, block: Range<Int>, u: Target, scratch: Target
  ) {
    let (first, width) = (block.lowerBound, block.count)
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

  static func winogradInput(
    _ grid: TileGrid, tiles: Range<Int>, input: Source, v: TransformedTiles, scratch: Target
  ) {
    var place = TilePlace(tiles.lowerBound, grid)
    let last = TilePlace(tiles.upperBound - 1, grid)
    let start = place.offset(place.row * 4, 0, in: grid.input)
    let end = last.offset(last.row * 4 + 6, 0, in: grid.input)
    touch(input + start, end - start, scratch)
    for tile in 0..<tiles.count {
      let corner = place.offset(place.row * 4, place.column * 4, in: grid.input)
      var channel = 0
      while channel < grid.input.channels {
        transformInputTile(
          input + corner + channel, grid.input.row, grid.input.channels,
          v.floats + tile * grid.input.channels + channel, v.stride, scratch)
        channel += 16
      }
      place.advance(grid)
    }
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

extension Operations {
  static func winogradProducts(
    _ grid: TileGrid, positions: Range<Int>, count: Int, v: TransformedTiles, u: Source,
    m: TransformedTiles
  ) {
    let (depth, columns) = (grid.input.channels, grid.output.channels)
    for position in positions {
      forBlocks(columns) { first, width in
        let o = Operands(
          a: v.floats + position * v.stride, aStride: depth, aPass: 0, columns: width,
          b: u + position * (depth * columns + winogradGap) + first * depth, bDepth: width,
          bPass: 0, run: depth, passes: 1)
        product(
          o, rows: count, c: m.floats + position * m.stride + first, cRow: columns, adding: false)
      }
    }
  }

  static func winogradOutputPooled(
    _ grid: TileGrid, tiles: Range<Int>, m: TransformedTiles, bias: Source, relu: Bool,
    output: Target, codes: UnsafeMutablePointer<Int32>, scratch: Target
  ) {
    var place = TilePlace(tiles.lowerBound, grid)
    let run = outputRun(grid, tiles, rows: 2)
    touch(output + run.start, run.count, scratch)
    for tile in 0..<tiles.count {
      let (y, x) = (place.row * 2, place.column * 2)
      let windows = (min(2, grid.outputHeight - y), min(2, grid.outputWidth - x))
      let target = output + place.offset(y, x, in: grid.output)
      var channel = 0
      while channel < grid.output.channels {
        transformOutputTile(m.floats + tile * grid.output.channels + channel, m.stride, scratch)
        poolTile(
          scratch, windows, bias + channel, relu, target + channel, grid.output.row,
          grid.output.channels,
          codes + (tiles.lowerBound + tile) * grid.output.channels + channel)
        channel += 16
      }
      place.advance(grid)
    }
  }

  static func winogradOutput(
    _ grid: TileGrid, tiles: Range<Int>, m: TransformedTiles, bias: Source, relu: Bool,
    output: Target, scratch: Target
  ) {
    var place = TilePlace(tiles.lowerBound, grid)
    let run = outputRun(grid, tiles, rows: 4)
    touch(output + run.start, run.count, scratch)
    for tile in 0..<tiles.count {
      let (y, x) = (place.row * 4, place.column * 4)
      let target = output + place.offset(y, x, in: grid.output)
      var channel = 0
      while channel < grid.output.channels {
        transformOutputTile(m.floats + tile * grid.output.channels + channel, m.stride, scratch)
        for dy in 0..<min(4, grid.outputHeight - y) {
          for dx in 0..<min(4, grid.outputWidth - x) {
            var v = load(scratch + (dy * 4 + dx) * 16) + load(bias + channel)
            if relu { v.replace(with: Vector.zero, where: .!(v .> Vector.zero)) }
            store(v, target + dy * grid.output.row + dx * grid.output.channels + channel)
          }
        }
        channel += 16
      }
      place.advance(grid)
    }
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
