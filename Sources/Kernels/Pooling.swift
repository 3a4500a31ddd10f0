// Bias, activation and max pooling of a convolution's rows, and the way back: a pooled gradient
// goes to the one position of its window that was the largest.

// A window's code is one bit, of the element (row-major) that was the first largest, or 0 where a
// relu cut the maximum off and no element takes the gradient. (Bits and not numbers: `.>` becomes
// one instruction, `.==` in Swift 6.3 a loop over the lanes.)

import KernelInterface

extension Operations {
  static func addBias(
    _ bias: Source, to values: Target, positions: Int, channels: Int, relu: Bool
  ) {
    for position in 0..<positions {
      var channel = 0
      while channel < channels {
        let target = values + position * channels + channel
        var v = load(target) + load(bias + channel)
        if relu { v.replace(with: Vector.zero, where: .!(v .> .zero)) }
        store(v, target)
        channel += 16
      }
    }
  }

  static func poolRows(
    _ row: WindowRow, rows: Source, rowStride: Int, bias: Source, relu: Bool, pooled: Target,
    codes: UnsafeMutablePointer<Int32>
  ) {
    switch row.size {
    case 1: Pool<1>.rows(row, rows, rowStride, bias, relu, pooled, codes)
    case 2: Pool<2>.rows(row, rows, rowStride, bias, relu, pooled, codes)
    case 3: Pool<3>.rows(row, rows, rowStride, bias, relu, pooled, codes)
    case 4: Pool<4>.rows(row, rows, rowStride, bias, relu, pooled, codes)
    default: Pool<5>.rows(row, rows, rowStride, bias, relu, pooled, codes)
    }
  }

  static func unpoolRow(
    _ row: WindowRow, gradient: Source, codes: UnsafePointer<Int32>, rows: Target,
    strides: Strides, sums: Target
  ) {
    // The sum that it leaves in `rows` is overwritten at once.
    touch(gradient, row.positions * row.channels, rows)
    switch row.size {
    case 1: Pool<1>.spread(row, gradient, codes, rows, strides, sums)
    case 2: Pool<2>.spread(row, gradient, codes, rows, strides, sums)
    case 3: Pool<3>.spread(row, gradient, codes, rows, strides, sums)
    case 4: Pool<4>.spread(row, gradient, codes, rows, strides, sums)
    default: Pool<5>.spread(row, gradient, codes, rows, strides, sums)
    }
  }
}

/// Pooling by windows of a compile-time size, a word of codes at a time.
enum Pool<let size: Int> {
  /// See `poolRows`.
  @inline(never)
  static func rows(
    _ row: WindowRow, _ rows: Source, _ rowStride: Int, _ bias: Source, _ relu: Bool,
    _ pooled: Target, _ codes: UnsafeMutablePointer<Int32>
  ) {
    let (positions, channels) = (row.positions, row.channels)
    let perWord = windowsPerWord(size: size)
    var first = 0
    while first < positions {
      let count = min(perWord, positions - first)
      let words = UnsafeMutableRawPointer(codes + first / perWord * channels)
      var channel = 0
      while channel < channels {
        var word = SIMD16<Int32>.zero
        for window in 0..<count {
          let at = (first + window) * channels + channel
          let code = poolWindow(
            rows + (first + window) * size * channels + channel, size, channels, rowStride,
            bias + channel, relu, pooled + at)
          word |= code &<< SIMD16(repeating: Int32(truncatingIfNeeded: window &* size &* size))
        }
        words.storeBytes(of: word, toByteOffset: channel * 4, as: SIMD16<Int32>.self)
        channel += 16
      }
      first += count
    }
  }

  /// See `unpoolRow`.
  @inline(never)
  static func spread(
    _ row: WindowRow, _ gradient: Source, _ codes: UnsafePointer<Int32>, _ rows: Target,
    _ strides: Strides, _ sums: Target
  ) {
    let (positions, channels) = (row.positions, row.channels)
    let perWord = windowsPerWord(size: size)
    let bits = Int32(truncatingIfNeeded: 1 &<< (size &* size) &- 1)
    var first = 0
    while first < positions {
      let count = min(perWord, positions - first)
      let words = UnsafeRawPointer(codes + first / perWord * channels)
      var channel = 0
      while channel < channels {
        let word = words.loadUnaligned(fromByteOffset: channel * 4, as: SIMD16<Int32>.self)
        var sum = load(sums + channel)
        for index in 0..<count {
          let code =
            word &>> SIMD16(repeating: Int32(truncatingIfNeeded: index &* size &* size))
          let g = load(gradient + (first + index) * channels + channel)
          let window = rows + (first + index) * size * strides.position + channel
          for element in 0..<size * size {
            store(
              masked(g, code, 1 &<< Int32(truncatingIfNeeded: element)),
              window + element / size * strides.row + element % size * strides.position)
          }
          sum += masked(g, code, bits)
        }
        store(sum, sums + channel)
        channel += 16
      }
      first += count
    }
  }
}

/// Stores one window's maximum, with bias and relu, and returns the bit of its first largest.
@inline(__always)
func poolWindow(
  _ values: Source, _ size: Int, _ column: Int, _ row: Int, _ bias: Source, _ relu: Bool,
  _ output: Target
) -> SIMD16<Int32> {
  var largest = load(values)
  var code = SIMD16<Int32>(repeating: 1)
  for index in 1..<size * size {
    let v = load(values + index / size * row + index % size * column)
    let larger = v .> largest
    largest.replace(with: v, where: larger)
    code.replace(with: SIMD16(repeating: 1 &<< Int32(truncatingIfNeeded: index)), where: larger)
  }
  largest += load(bias)
  if relu {
    let cut = .!(largest .> Vector.zero)
    largest.replace(with: Vector.zero, where: cut)
    code.replace(with: SIMD16<Int32>.zero, where: cut)
  }
  store(largest, output)
  return code
}

/// The lanes of `v` whose code has one of `bits`.
@inline(__always)
func masked(_ v: Vector, _ code: SIMD16<Int32>, _ bits: Int32) -> Vector {
  Vector.zero.replacing(with: v, where: (code & SIMD16(repeating: bits)) .> SIMD16<Int32>.zero)
}

extension Operations {
  static func copyGradient(
    _ gradient: Source, values: Source, relu: Bool, positions: Int, channels: Int, target: Target,
    targetPosition: Int, sums: Target
  ) {
    for position in 0..<positions {
      var channel = 0
      while channel < channels {
        let at = position * channels + channel
        var g = load(gradient + at)
        if relu { g.replace(with: Vector.zero, where: .!(load(values + at) .> .zero)) }
        store(g, target + position * targetPosition + channel)
        store(load(sums + channel) + g, sums + channel)
        channel += 16
      }
    }
  }
}
