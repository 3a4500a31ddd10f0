// Pooling by windows of any size, step and border: slower than `Pooling.swift`'s squares, which
// touch each number once.

import KernelInterface

/// Calls `body` with each element of a window that lies on the map: its number in the window, and
/// its place from the map's first column in the windows' first row.
@inline(__always)
private func forElements(
  _ row: ChannelWindows, _ clip: WindowClip, _ position: Int,
  _ body: (_ element: Int, _ place: Int) -> Void
) {
  let first = position * clip.step - clip.left
  let (start, end) = (max(0, -first), min(row.width, clip.mapWidth - first))
  for y in clip.firstRow..<clip.endRow {
    var x = start
    while x < end {
      body(y * row.width + x, y * row.taps.row + (first + x) * row.taps.position)
      x += 1
    }
  }
}

/// The first of them.
@inline(__always)
private func firstElement(
  _ row: ChannelWindows, _ clip: WindowClip, _ position: Int
) -> (element: Int, place: Int) {
  let first = position * clip.step - clip.left
  let x = max(0, -first)
  return (
    clip.firstRow * row.width + x,
    clip.firstRow * row.taps.row + (first + x) * row.taps.position
  )
}

/// Elements of a window that lie on the map.
@inline(__always)
private func elements(_ row: ChannelWindows, _ clip: WindowClip, _ position: Int) -> Int {
  let first = position * clip.step - clip.left
  return (clip.endRow - clip.firstRow)
    * (min(row.width, clip.mapWidth - first) - max(0, -first))
}

extension Operations {
  static func maxPoolRow(
    _ row: ChannelWindows, clip: WindowClip, input: Source, output: Target,
    codes: UnsafeMutablePointer<Int32>
  ) {
    for position in 0..<row.positions {
      var channel = 0
      while channel < row.channels {
        // The first counts where none is larger, which is so of NaN too.
        let first = firstElement(row, clip, position)
        var largest = load(input + first.place + channel)
        var code = SIMD16<Int32>(repeating: Int32(truncatingIfNeeded: first.element))
        forElements(row, clip, position) { element, place in
          let v = load(input + place + channel)
          let larger = v .> largest
          largest.replace(with: v, where: larger)
          code.replace(
            with: SIMD16(repeating: Int32(truncatingIfNeeded: element)), where: larger)
        }
        let at = position * row.channels + channel
        store(largest, output + at)
        UnsafeMutableRawPointer(codes + at).storeBytes(of: code, as: SIMD16<Int32>.self)
        channel += 16
      }
    }
  }

  static func addMaxPoolGradient(
    _ row: ChannelWindows, clip: WindowClip, gradient: Source, codes: UnsafePointer<Int32>,
    inputGradient: Target
  ) {
    for position in 0..<row.positions {
      var channel = 0
      while channel < row.channels {
        let at = position * row.channels + channel
        let g = load(gradient + at)
        let code = UnsafeRawPointer(codes + at).loadUnaligned(as: SIMD16<Int32>.self)
        forElements(row, clip, position) { element, place in
          let own = SIMD16<Int32>(repeating: Int32(truncatingIfNeeded: element))
          let isOther = (code .> own) .| (own .> code)
          let target = inputGradient + place + channel
          store(load(target) + g.replacing(with: Vector.zero, where: isOther), target)
        }
        channel += 16
      }
    }
  }

  static func averagePoolRow(
    _ row: ChannelWindows, clip: WindowClip, input: Source, output: Target
  ) {
    for position in 0..<row.positions {
      let share = Vector(repeating: 1 / Float(elements(row, clip, position)))
      var channel = 0
      while channel < row.channels {
        var sum = Vector.zero
        forElements(row, clip, position) { _, place in sum += load(input + place + channel) }
        store(sum * share, output + position * row.channels + channel)
        channel += 16
      }
    }
  }

  static func addAveragePoolGradient(
    _ row: ChannelWindows, clip: WindowClip, gradient: Source, inputGradient: Target
  ) {
    for position in 0..<row.positions {
      let share = Vector(repeating: 1 / Float(elements(row, clip, position)))
      var channel = 0
      while channel < row.channels {
        let g = load(gradient + position * row.channels + channel) * share
        forElements(row, clip, position) { _, place in
          let target = inputGradient + place + channel
          store(load(target) + g, target)
        }
        channel += 16
      }
    }
  }
}
