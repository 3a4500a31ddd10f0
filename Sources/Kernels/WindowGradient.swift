// The weights' gradient of a convolution under max pooling whose input wants none: of each
// window's elements at most one has a gradient, so per channel and window one product with that
// element's inputs is all there is to add. The lanes are neighbouring inputs (kernelWidth *
// channels of them, NHWC), one kernel row after the other, and each channel reads its own
// element's.
//
// Those lie multiples of three floats apart, where nearly every vector would be in two lines of
// the cache. So the inputs of a few windows are first spread out, each on vectors of its own.

import KernelInterface

#if AVX512
  private let channelsAtOnce = 8
#else
  private let channelsAtOnce = 2
#endif

extension Operations {
  static func spreadInputs(_ row: ConvolutionRow, input: Source, spread: Target) {
    var target = spread
    for pass in 0..<row.passes {
      for position in 0..<row.positions {
        let source = input + pass * row.inputRow + position * row.inputPosition
        for lane in stride(from: 0, to: row.run, by: 16) {
          store(load(source + lane), target)
          target += 16
        }
      }
    }
  }

  static func windowOffsets(
    _ row: WindowRow, gradient: Source, codes: UnsafePointer<Int32>, steps: Strides,
    offsets: UnsafeMutablePointer<Int32>, kept: Target, sums: Target
  ) {
    // The sum that it leaves in `kept` is overwritten at once.
    touch(gradient, row.positions * row.channels, kept)
    switch row.size {
    case 2:
      Pool<2>.offsets(row, gradient, codes, steps, offsets, kept, sums)
    case 3:
      Pool<3>.offsets(row, gradient, codes, steps, offsets, kept, sums)
    case 4:
      Pool<4>.offsets(row, gradient, codes, steps, offsets, kept, sums)
    default:
      Pool<5>.offsets(row, gradient, codes, steps, offsets, kept, sums)
    }
  }
}

extension Pool {
  /// See `windowOffsets`.
  @inline(never)
  fileprivate static func offsets(
    _ row: WindowRow, _ gradient: Source, _ codes: UnsafePointer<Int32>, _ steps: Strides,
    _ offsets: UnsafeMutablePointer<Int32>, _ kept: Target, _ sums: Target
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
        for window in 0..<count {
          let at = (first + window) * channels + channel
          let code =
            word &>> SIMD16(repeating: Int32(truncatingIfNeeded: window &* size &* size))
          var offset = SIMD16<Int32>.zero
          for element in 1..<size * size {
            let step = element / size * steps.row + element % size * steps.position
            let bit = SIMD16(repeating: 1 &<< Int32(truncatingIfNeeded: element))
            offset.replace(
              with: SIMD16(repeating: Int32(truncatingIfNeeded: step)),
              where: (code & bit) .> SIMD16<Int32>.zero)
          }
          UnsafeMutableRawPointer(offsets + at).storeBytes(of: offset, as: SIMD16<Int32>.self)
          let g = masked(load(gradient + at), code, bits)
          store(g, kept + at)
          sum += g
        }
        store(sum, sums + channel)
        channel += 16
      }
      first += count
    }
  }
}

extension Operations {
  static func addWindowGradient(
    _ row: ConvolutionRow, input: Source, offsets: UnsafePointer<Int32>, kept: Source,
    channels: Int,
    gradient: Target
  ) {
    let run = spreadFloats(run: row.run)
    let strides = (channel: row.passes * run, pass: run)
    for channel in stride(from: 0, to: channels, by: channelsAtOnce) {
      for pass in stride(from: 0, to: row.passes, by: 3) {
        for lane in stride(from: 0, to: row.run, by: 16) {
          let from = input + pass * row.inputRow + lane
          let to = gradient + channel * strides.channel + pass * run + lane
          switch row.passes - pass {
          case 1:
            Windows<1>.add(row, from, offsets + channel, kept + channel, channels, to, strides)
          case 2:
            Windows<2>.add(row, from, offsets + channel, kept + channel, channels, to, strides)
          default:
            Windows<3>.add(row, from, offsets + channel, kept + channel, channels, to, strides)
          }
        }
      }
    }
  }
}

/// A few channels' sums over a row of windows, of some kernel rows and 16 of their inputs.
private enum Windows<let passes: Int> {
  @inline(never)
  static func add(
    _ row: ConvolutionRow, _ input: Source, _ offsets: UnsafePointer<Int32>, _ kept: Source,
    _ channels: Int, _ gradient: Target, _ strides: (channel: Int, pass: Int)
  ) {
    var sums = InlineArray<passes, InlineArray<8, Vector>>(repeating: .init(repeating: .zero))
    for pass in 0..<passes {
      for channel in 0..<channelsAtOnce {
        sums[pass][channel] = load(gradient + channel * strides.channel + pass * strides.pass)
      }
    }
    var window = input
    var at = 0
    for _ in 0..<row.positions {
      for channel in 0..<channelsAtOnce {
        let element = window + Int(offsets[at + channel])
        let factor = Vector(repeating: kept[at + channel])
        for pass in 0..<passes {
          sums[pass][channel].addProduct(factor, load(element + pass * row.inputRow))
        }
      }
      window += row.inputPosition
      at += channels
    }
    for pass in 0..<passes {
      for channel in 0..<channelsAtOnce {
        store(sums[pass][channel], gradient + channel * strides.channel + pass * strides.pass)
      }
    }
  }
}

extension Operations {
  static func addWindowPartial(
    _ partial: Source, adding: Bool, passes: Int, run: Int, outputs: Int, gradient: Target
  ) {
    let padded = spreadFloats(run: run)
    for pass in 0..<passes {
      for tap in 0..<run {
        let target = gradient + (pass * run + tap) * outputs
        for channel in 0..<outputs {
          let value = partial[(channel * passes + pass) * padded + tap]
          target[channel] = adding ? target[channel] + value : value
        }
      }
    }
  }
}
