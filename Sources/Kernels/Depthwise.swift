// Depthwise convolutions: each channel is seen through windows of its own, so a channel is a lane.

import KernelInterface

#if AVX512
  private let tilePositions = 8
  /// Kernel rows whose sums fit in registers at once, of three columns each.
  private let gradientRows = 3
#else
  private let tilePositions = 4
  private let gradientRows = 1
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
        if count > 1, row.width == 3, row.isDense {
          #if AVX512
            NeighbourDepthwise<8>.positions(row, source, weights + channel, target)
          #else
            NeighbourDepthwise<4>.positions(row, source, weights + channel, target)
          #endif
        } else if count == 1 {
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
      var first = 0
      while row.isDense, row.width == 3, first < row.height {
        let taps = source + first * row.taps.row
        let sums = gradient + first * row.width * row.channels + channel
        if row.height - first >= gradientRows {
          #if AVX512
            NeighbourGradient<3>.add(row, taps, own, gradientPosition, sums)
          #else
            NeighbourGradient<1>.add(row, taps, own, gradientPosition, sums)
          #endif
          first += gradientRows
        } else {
          NeighbourGradient<1>.add(row, taps, own, gradientPosition, sums)
          first += 1
        }
      }
      for y in first..<row.height {
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

extension ChannelWindows {
  /// Whether neighbouring windows are one column apart, so that they share what they read.
  fileprivate var isDense: Bool { inputPosition == taps.position }
}

/// The same sums as `Depthwise`, in the same order, of windows of three columns that are one column
/// apart: what neighbours share is loaded once.
private enum NeighbourDepthwise<let tile: Int> {
  @inline(never)
  static func positions(
    _ row: ChannelWindows, _ input: Source, _ weights: Source, _ output: Target
  ) {
    var sums = InlineArray<tile, Vector>(repeating: .zero)
    var w = weights
    for y in 0..<row.height {
      let a = input + y * row.taps.row
      let (left, middle, right) = (load(w), load(w + row.channels), load(w + 2 * row.channels))
      var (x, next) = (load(a), load(a + row.inputPosition))
      for i in 0..<tile {
        let last = load(a + (i + 2) * row.inputPosition)
        sums[i].addProduct(x, left)
        sums[i].addProduct(next, middle)
        sums[i].addProduct(last, right)
        (x, next) = (next, last)
      }
      w += 3 * row.channels
    }
    for i in 0..<tile { store(sums[i], output + i * row.channels) }
  }
}

/// The same sums as `DepthwiseGradient`, in the same order, of some rows of such windows.
private enum NeighbourGradient<let rows: Int> {
  @inline(never)
  static func add(
    _ row: ChannelWindows, _ input: Source, _ gradient: Source, _ gradientPosition: Int,
    _ target: Target
  ) {
    var even = InlineArray<rows, InlineArray<3, Vector>>(repeating: .init(repeating: .zero))
    var odd = InlineArray<rows, InlineArray<3, Vector>>(repeating: .init(repeating: .zero))
    var position = 0
    while position + 1 < row.positions {
      let g = load(gradient + position * gradientPosition)
      let h = load(gradient + (position + 1) * gradientPosition)
      for y in 0..<rows {
        let a = input + y * row.taps.row + position * row.inputPosition
        var x = load(a)
        for i in 0..<3 {
          let next = load(a + (i + 1) * row.inputPosition)
          even[y][i].addProduct(x, g)
          odd[y][i].addProduct(next, h)
          x = next
        }
      }
      position += 2
    }
    if position < row.positions {
      let g = load(gradient + position * gradientPosition)
      for y in 0..<rows {
        let a = input + y * row.taps.row + position * row.inputPosition
        for i in 0..<3 { even[y][i].addProduct(load(a + i * row.inputPosition), g) }
      }
    }
    for y in 0..<rows {
      for i in 0..<3 {
        let at = target + (y * 3 + i) * row.channels
        store(load(at) + (even[y][i] + odd[y][i]), at)
      }
    }
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
