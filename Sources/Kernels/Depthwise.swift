// Depthwise convolutions: each channel is seen through windows of its own, so a channel is a lane.

import KernelInterface

#if AVX512
  private let tilePositions = 8
#else
  private let tilePositions = 4
#endif

extension Operations {
  static func depthwiseRow(
    _ row: ChannelWindows, input: Source, weights: Source, output: Target
  ) {
    var position = 0
    while position < row.positions {
      let count = row.positions - position >= tilePositions ? tilePositions : 1
      var channel = 0
      while channel < row.channels {
        let source = input + position * row.inputPosition + channel
        let target = output + position * row.channels + channel
        if count == 1 {
          Depthwise<1>.positions(row, source, weights + channel, target)
        } else {
          #if AVX512
            Depthwise<8>.positions(row, source, weights + channel, target)
          #else
            Depthwise<4>.positions(row, source, weights + channel, target)
          #endif
        }
        channel += 16
      }
      position += count
    }
  }

  static func addDepthwiseGradient(
    _ row: ChannelWindows, input: Source, outputGradient: Source, gradientPosition: Int,
    gradient: Target
  ) {
    var channel = 0
    while channel < row.channels {
      let (source, own) = (input + channel, outputGradient + channel)
      for y in 0..<row.height {
        var x = 0
        while x < row.width {
          let taps = source + y * row.taps.row + x * row.taps.position
          let sums = gradient + (y * row.width + x) * row.channels + channel
          switch row.width - x {
          case 1: DepthwiseGradient<1>.add(row, taps, own, gradientPosition, sums)
          case 2: DepthwiseGradient<2>.add(row, taps, own, gradientPosition, sums)
          case 3: DepthwiseGradient<3>.add(row, taps, own, gradientPosition, sums)
          case 4: DepthwiseGradient<4>.add(row, taps, own, gradientPosition, sums)
          default: DepthwiseGradient<5>.add(row, taps, own, gradientPosition, sums)
          }
          x += 5
        }
      }
      channel += 16
    }
  }
}

private enum Depthwise<let tile: Int> {
  /// `tile` positions of one vector of channels.
  @inline(never)
  static func positions(
    _ row: ChannelWindows, _ input: Source, _ weights: Source, _ output: Target
  ) {
    var sums = InlineArray<tile, Vector>(repeating: .zero)
    var w = weights
    for y in 0..<row.height {
      var a = input + y * row.taps.row
      for _ in 0..<row.width {
        let weight = load(w)
        for i in 0..<tile { sums[i].addProduct(load(a + i * row.inputPosition), weight) }
        a += row.taps.position
        w += row.channels
      }
    }
    for i in 0..<tile { store(sums[i], output + i * row.channels) }
  }
}

private enum DepthwiseGradient<let taps: Int> {
  /// The sums of `taps` neighbouring columns of a window, for one vector of channels.
  @inline(never)
  static func add(
    _ row: ChannelWindows, _ input: Source, _ gradient: Source, _ gradientPosition: Int,
    _ target: Target
  ) {
    // Two of each, of every second position: a sum waits for the one before it.
    var even = InlineArray<taps, Vector>(repeating: .zero)
    var odd = InlineArray<taps, Vector>(repeating: .zero)
    var position = 0
    while position + 1 < row.positions {
      let g = load(gradient + position * gradientPosition)
      let h = load(gradient + (position + 1) * gradientPosition)
      let a = input + position * row.inputPosition
      for i in 0..<taps {
        even[i].addProduct(load(a + i * row.taps.position), g)
        odd[i].addProduct(load(a + row.inputPosition + i * row.taps.position), h)
      }
      position += 2
    }
    if position < row.positions {
      let g = load(gradient + position * gradientPosition)
      let a = input + position * row.inputPosition
      for i in 0..<taps { even[i].addProduct(load(a + i * row.taps.position), g) }
    }
    for i in 0..<taps {
      let at = target + i * row.channels
      store(load(at) + (even[i] + odd[i]), at)
    }
  }
}
