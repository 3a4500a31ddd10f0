// Bias, activation and max pooling of a convolution's rows, and the way back: a pooled gradient
// goes to the one position of its window that was the largest.

// A window's code is one bit, of the element (row-major) that was the first largest, or 0 where a
// relu cut the maximum off and no element takes the gradient. (Bits and not numbers: `.>` becomes
// one instruction, `.==` in Swift 6.3 a loop over the lanes.)

/// The largest window, whose 25 elements have a bit each.
public let poolSizeMax = 5

/// Neighbouring windows of a row whose codes share a word, the first in its lowest bits.
@inline(__always)
public func windowsPerWord(size: Int) -> Int { 32 / (size * size) }

/// Adds the bias and applies relu where asked, in place: values[positions][channels].
public func addBias(_ bias: Source, _ values: Target, positions: Int, channels: Int, relu: Bool) {
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

/// Max pooling of `size` rows, with the bias and the activation of the layer before applied to
/// each window's maximum (both are monotonic, so that is the maximum of theirs).
/// - Parameters:
///   - rows: [size][>= positions * size][channels], `rowStride` floats a row, without bias.
///   - pooled: [positions][channels].
///   - codes: [positions / windowsPerWord, rounded up][channels].
public func poolRows(
  _ rows: Source, rowStride: Int, size: Int, positions: Int, channels: Int, bias: Source,
  relu: Bool, pooled: Target, codes: UnsafeMutablePointer<Int32>
) {
  let perWord = windowsPerWord(size: size)
  for position in 0..<positions {
    let inWord = position % perWord
    let words = codes + position / perWord * channels
    let shift = SIMD16(repeating: Int32(truncatingIfNeeded: inWord &* size &* size))
    var channel = 0
    while channel < channels {
      let window = rows + position * size * channels + channel
      let target = pooled + position * channels + channel
      var code =
        size == 2
        ? poolWindow(window, 2, channels, rowStride, bias + channel, relu, target)
        : poolWindow(window, size, channels, rowStride, bias + channel, relu, target)
      let word = UnsafeMutableRawPointer(words + channel)
      if inWord > 0 {
        code = code &<< shift | word.loadUnaligned(as: SIMD16<Int32>.self)
      }
      word.storeBytes(of: code, as: SIMD16<Int32>.self)
      channel += 16
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

/// Spreads one row of pooled gradients over the `size` rows that it came from.
/// - Parameters:
///   - codes: as `poolRows` left them.
///   - rows: overwritten where windows lie; `rowStride` floats between rows, `positionStride`
///     between columns.
///   - sums: [channels]; the gradients that reach an element are added.
public func unpoolRow(
  gradient: Source, codes: UnsafePointer<Int32>, size: Int, positions: Int, channels: Int,
  rows: Target, rowStride: Int, positionStride: Int, sums: Target
) {
  let perWord = windowsPerWord(size: size)
  let bits = Int32(truncatingIfNeeded: 1 &<< (size &* size) &- 1)
  for position in 0..<positions {
    let words = codes + position / perWord * channels
    let shift = SIMD16(
      repeating: Int32(truncatingIfNeeded: position % perWord &* size &* size))
    var channel = 0
    while channel < channels {
      let g = load(gradient + position * channels + channel)
      let code =
        UnsafeRawPointer(words + channel).loadUnaligned(as: SIMD16<Int32>.self) &>> shift
      let window = rows + position * size * positionStride + channel
      if size == 2 {
        unpoolWindow(g, code, 2, window, positionStride, rowStride)
      } else {
        unpoolWindow(g, code, size, window, positionStride, rowStride)
      }
      store(load(sums + channel) + masked(g, code, bits), sums + channel)
      channel += 16
    }
  }
}

@inline(__always)
func unpoolWindow(
  _ gradient: Vector, _ code: SIMD16<Int32>, _ size: Int, _ window: Target, _ column: Int,
  _ row: Int
) {
  for index in 0..<size * size {
    store(
      masked(gradient, code, 1 &<< Int32(truncatingIfNeeded: index)),
      window + index / size * row + index % size * column)
  }
}

/// The lanes of `v` whose code has one of `bits`.
@inline(__always)
func masked(_ v: Vector, _ code: SIMD16<Int32>, _ bits: Int32) -> Vector {
  Vector.zero.replacing(with: v, where: (code & SIMD16(repeating: bits)) .> SIMD16<Int32>.zero)
}

/// target[position][channels] = gradient where the activation's value is above zero (all of it
/// without relu), `targetPosition` floats between positions; sums[channels] += the same.
public func copyGradient(
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
