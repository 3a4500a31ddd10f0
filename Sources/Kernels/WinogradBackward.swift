// Winograd's backward pass: output gradients to dM, products to dU and dV, dV to input gradients,
// dU to the weights' gradient. See Winograd.swift for the matrices and the layouts.

import KernelInterface

extension Operations {
  static func winogradGradientPooled(
    _ grid: TileGrid, tiles: Range<Int>, gradient: Source, codes: UnsafePointer<Int32>,
    m: TransformedTiles, biasGradient: Target, scratch: Target
  ) {
    var place = TilePlace(tiles.lowerBound, grid)
    let run = outputRun(grid, tiles, rows: 2)
    touch(gradient + run.start, run.count, scratch)
    let words = UnsafeRawPointer(codes + tiles.lowerBound * grid.output.channels)
    touch(words.assumingMemoryBound(to: Float.self), tiles.count * grid.output.channels, scratch)
    for tile in 0..<tiles.count {
      let (y, x) = (place.row * 2, place.column * 2)
      // A window beyond the edge has the code 0: its gradient's address only has to be readable.
      let down = y + 1 < grid.outputHeight ? grid.output.row : 0
      let right = x + 1 < grid.outputWidth ? grid.output.channels : 0
      let g = gradient + place.offset(y, x, in: grid.output)
      var channel = 0
      while channel < grid.output.channels {
        let code = codes + (tiles.lowerBound + tile) * grid.output.channels + channel
        for column in 0..<2 {
          let top = g + channel + column * right
          spreadWindows(
            code, column * 4, top, top + down, scratch + column * 2 * 16, biasGradient + channel)
        }
        transformGradientRows(scratch, m.floats + tile * grid.output.channels + channel, m.stride)
        channel += 16
      }
      place.advance(grid)
    }
  }
}

/// A times the two columns of outputs under a window and the window below it.
/// - Parameters:
///   - shift: of the upper window's bits; the lower one's are 8 further.
///   - columns: [6][4][16], at the first of the two columns.
@inline(never)
func spreadWindows(
  _ codes: UnsafePointer<Int32>, _ shift: Int, _ upper: Source, _ lower: Source,
  _ columns: Target, _ biasGradient: Target
) {
  let word =
    UnsafeRawPointer(codes).loadUnaligned(as: SIMD16<Int32>.self)
    &>> SIMD16(repeating: Int32(truncatingIfNeeded: shift))
  let (g0, g1) = (load(upper), load(lower))
  let left = (
    masked(g0, word, 1), masked(g0, word, 4), masked(g1, word, 1 << 8), masked(g1, word, 4 << 8)
  )
  storeSix(outputAdjoint(left), columns, 4 * 16)
  let right = (
    masked(g0, word, 2), masked(g0, word, 8), masked(g1, word, 2 << 8), masked(g1, word, 8 << 8)
  )
  storeSix(outputAdjoint(right), columns + 16, 4 * 16)
  store(load(biasGradient) + (masked(g0, word, 15) + masked(g1, word, 15 << 8)), biasGradient)
}

/// dM's 36 positions from [6][4][16] columns.
@inline(never)
func transformGradientRows(_ columns: Source, _ m: Target, _ position: Int) {
  for y in 0..<6 {
    let row = columns + y * 4 * 16
    storeSix(
      outputAdjoint((load(row), load(row + 16), load(row + 32), load(row + 48))),
      m + y * 6 * position, position)
  }
}

extension Operations {
  static func winogradGradient(
    _ grid: TileGrid, tiles: Range<Int>, gradient: Source, values: Source, relu: Bool,
    m: TransformedTiles, biasGradient: Target, scratch: Target
  ) {
    var place = TilePlace(tiles.lowerBound, grid)
    let tileValues = scratch + winogradPositions * 16
    let run = outputRun(grid, tiles, rows: 4)
    touch(gradient + run.start, run.count, scratch)
    if relu { touch(values + run.start, run.count, scratch) }
    for tile in 0..<tiles.count {
      let (y, x) = (place.row * 4, place.column * 4)
      let rows = min(4, grid.outputHeight - y)
      let columns = min(4, grid.outputWidth - x)
      let at = place.offset(y, x, in: grid.output)
      var channel = 0
      while channel < grid.output.channels {
        var sum = load(biasGradient + channel)
        for dy in 0..<4 {
          for dx in 0..<4 {
            var g = Vector.zero
            if dy < rows, dx < columns {
              let here = at + dy * grid.output.row + dx * grid.output.channels + channel
              g = load(gradient + here)
              if relu {
                g.replace(with: Vector.zero, where: .!(load(values + here) .> Vector.zero))
              }
            }
            sum += g
            store(g, tileValues + (dy * 4 + dx) * 16)
          }
        }
        store(sum, biasGradient + channel)
        for dx in 0..<4 {
          let column = tileValues + dx * 16
          storeSix(
            outputAdjoint(
              (load(column), load(column + 64), load(column + 128), load(column + 192))),
            scratch + dx * 16, 4 * 16)
        }
        transformGradientRows(scratch, m.floats + tile * grid.output.channels + channel, m.stride)
        channel += 16
      }
      place.advance(grid)
    }
  }

  static func winogradGradientProducts(
    _ grid: TileGrid, positions: Range<Int>, count: Int, v: TransformedTiles,
    m: TransformedTiles, uTransposed: Source?, du: Target, adding: Bool
  ) {
    let (inputs, outputs) = (grid.input.channels, grid.output.channels)
    let uPosition = inputs * outputs + winogradGap
    for position in positions {
      let (vHere, mHere) = (v.floats + position * v.stride, m.floats + position * m.stride)
      forBlocks(outputs) { first, width in
        let o = Operands(
          a: vHere, aStride: inputs, aPass: 0, columns: width, b: mHere + first, bDepth: outputs,
          bPass: 0, run: count, passes: 1)
        transposedProduct(
          o, rows: inputs, c: du + position * uPosition + first, cRow: outputs, adding: adding)
      }
      guard let uTransposed else { continue }
      forBlocks(inputs) { first, width in
        let o = Operands(
          a: mHere, aStride: outputs, aPass: 0, columns: width,
          b: uTransposed + position * uPosition + first * outputs, bDepth: width, bPass: 0,
          run: outputs, passes: 1)
        product(o, rows: count, c: vHere + first, cRow: inputs, adding: false)
      }
    }
  }

  static func winogradInputGradient(
    _ grid: TileGrid, tiles: Range<Int>, v: TransformedTiles, inputGradient: Target,
    scratch: Target
  ) {
    var place = TilePlace(tiles.lowerBound, grid)
    let width = (grid.columns * 4 + 2) * grid.input.channels
    for tile in 0..<tiles.count {
      let row = inputGradient + place.offset(place.row * 4, 0, in: grid.input)
      if place.column == 0 {
        for y in (place.row == 0 ? 0 : 2)..<6 {
          (row + y * grid.input.row).update(repeating: 0, count: width)
        }
      }
      var channel = 0
      while channel < grid.input.channels {
        addInputTile(
          v.floats + tile * grid.input.channels + channel, v.stride,
          row + place.column * 4 * grid.input.channels + channel, grid.input.row,
          grid.input.channels,
          scratch)
        channel += 16
      }
      place.advance(grid)
    }
  }
}

@inline(never)
func addInputTile(
  _ v: Source, _ position: Int, _ d: Target, _ row: Int, _ column: Int, _ scratch: Target
) {
  for y in 0..<6 {
    storeSix(
      inputAdjoint(loadSix(v + y * 6 * position, position)), scratch + y * 6 * 16, 16)
  }
  for x in 0..<6 {
    let sums = inputAdjoint(loadSix(scratch + x * 16, 6 * 16))
    let target = d + x * column
    let before = loadSix(target, row)
    storeSix(
      (
        before.0 + sums.0, before.1 + sums.1, before.2 + sums.2, before.3 + sums.3,
        before.4 + sums.4, before.5 + sums.5
      ), target, row)
  }
}

extension Operations {
  static func winogradFilterGradient(
    _ grid: TileGrid, du: Source, groups: Int, groupStride: Int, shape: FilterShape, input: Int,
    gradient: Target, scratch: Target
  ) {
    let (inputs, outputs) = (grid.input.channels, grid.output.channels)
    let position = inputs * outputs + winogradGap
    let tap = shape.inputs * shape.outputs
    let total = scratch + 18 * 16
    var channel = 0
    while channel < outputs {
      let source = du + input * outputs + channel
      for x in 0..<6 {
        var column = loadSix(source + x * position, 6 * position)
        for group in 1..<max(groups, 1) {
          let next = loadSix(source + group * groupStride + x * position, 6 * position)
          column = (
            column.0 + next.0, column.1 + next.1, column.2 + next.2, column.3 + next.3,
            column.4 + next.4, column.5 + next.5
          )
        }
        let sums = filterAdjoint(column)
        store(sums.0, scratch + x * 16)
        store(sums.1, scratch + (6 + x) * 16)
        store(sums.2, scratch + (12 + x) * 16)
      }
      let target = gradient + input * shape.outputs + channel
      let count = min(16, shape.outputs - channel)
      for y in 0..<3 where count > 0 {
        let sums = filterAdjoint(loadSix(scratch + y * 6 * 16, 16))
        storeLanes(sums.0, count, target + y * 3 * tap, total)
        storeLanes(sums.1, count, target + (y * 3 + 1) * tap, total)
        storeLanes(sums.2, count, target + (y * 3 + 2) * tap, total)
      }
      channel += 16
    }
  }
}

/// Stores the first `count` lanes.
@inline(__always)
func storeLanes(_ v: Vector, _ count: Int, _ target: Target, _ scratch: Target) {
  guard count < 16 else { return store(v, target) }
  store(v, scratch)
  for lane in 0..<count { target[lane] = scratch[lane] }
}
