// Normalisation of each channel: moments of a map, the map normalised with the relu behind it, and
// both of the backward pass. A channel is a lane, so no lane meets another.

import KernelInterface

extension Operations {
  static func channelMoments(_ map: MapRows, input: Source, mean: Target, squares: Target) {
    forVectors(map.channels) { channel, count in
      switch count {
      case 4: Moments<4>.compute(map, input + channel, mean + channel, squares + channel)
      case 3: Moments<3>.compute(map, input + channel, mean + channel, squares + channel)
      case 2: Moments<2>.compute(map, input + channel, mean + channel, squares + channel)
      default: Moments<1>.compute(map, input + channel, mean + channel, squares + channel)
      }
    }
  }

  static func normalizeRow(
    positions: Int, channels: Int, input: Source, mean: Source, scale: Source, shift: Source,
    bounds: Bounds, output: Target
  ) {
    let (floor, ceiling) = (Vector(repeating: bounds.floor), Vector(repeating: bounds.ceiling))
    for position in 0..<positions {
      var channel = 0
      while channel < channels {
        let at = position * channels + channel
        let x = load(input + at) - load(mean + channel)
        var v = normalized(x, scale + channel, shift + channel)
        v.replace(with: floor, where: floor .> v)
        v.replace(with: ceiling, where: v .> ceiling)
        store(v, output + at)
        channel += 16
      }
    }
  }

  static func addNormalizationSums(
    positions: Int, channels: Int, input: Source, gradient: Source, mean: Source, scale: Source,
    shift: Source, bounds: Bounds, gradientSums: Target, productSums: Target
  ) {
    let (floor, ceiling) = (Vector(repeating: bounds.floor), Vector(repeating: bounds.ceiling))
    var channel = 0
    while channel < channels {
      let (own, factor, term) = (load(mean + channel), scale + channel, shift + channel)
      // Two of each, of every second position: a sum waits for the one before it.
      var sums = InlineArray<2, Vector>(repeating: .zero)
      var products = InlineArray<2, Vector>(repeating: .zero)
      var position = 0
      while position < positions {
        for parity in 0..<min(2, positions - position) {
          let at = (position + parity) * channels + channel
          let x = load(input + at) - own
          let g = kept(load(gradient + at), normalized(x, factor, term), floor, ceiling)
          sums[parity] += g
          products[parity].addProduct(g, x)
        }
        position += 2
      }
      store(load(gradientSums + channel) + (sums[0] + sums[1]), gradientSums + channel)
      store(load(productSums + channel) + (products[0] + products[1]), productSums + channel)
      channel += 16
    }
  }

  static func normalizationGradientRow(
    positions: Int, channels: Int, input: Source, gradient: Source, mean: Source, scale: Source,
    shift: Source, bounds: Bounds, a: Source, b: Source, c: Source, target: Target
  ) {
    let (floor, ceiling) = (Vector(repeating: bounds.floor), Vector(repeating: bounds.ceiling))
    for position in 0..<positions {
      var channel = 0
      while channel < channels {
        let at = position * channels + channel
        let x = load(input + at) - load(mean + channel)
        let y = normalized(x, scale + channel, shift + channel)
        var v = load(c + channel)
        v.addProduct(x, load(b + channel))
        v.addProduct(kept(load(gradient + at), y, floor, ceiling), load(a + channel))
        store(v, target + at)
        channel += 16
      }
    }
  }
}

/// x scale + shift.
@inline(__always)
private func normalized(_ x: Vector, _ scale: Source, _ shift: Source) -> Vector {
  var v = load(shift)
  v.addProduct(x, load(scale))
  return v
}

/// The gradients of those between the bounds.
@inline(__always)
private func kept(
  _ gradient: Vector, _ y: Vector, _ floor: Vector, _ ceiling: Vector
) -> Vector {
  var g = gradient
  g.replace(with: Vector.zero, where: .!(y .> floor))
  g.replace(with: Vector.zero, where: .!(ceiling .> y))
  return g
}

/// Calls `body` with the first channel and the number of vectors, at most 4, of each block.
@inline(__always)
private func forVectors(_ channels: Int, _ body: (_ channel: Int, _ vectors: Int) -> Void) {
  var channel = 0
  while channel < channels {
    body(channel, min(4, (channels - channel) / 16))
    channel += 64
  }
}

private enum Moments<let vectors: Int> {
  /// See `channelMoments`, for the first vectors of channels.
  @inline(never)
  static func compute(_ map: MapRows, _ input: Source, _ mean: Target, _ squares: Target) {
    let share = Vector(repeating: 1 / Float(map.positions))
    for row in 0..<map.rows {
      let source = input + row * map.rowStride
      var sums = InlineArray<vectors, Vector>(repeating: .zero)
      for position in 0..<map.positions {
        for i in 0..<vectors { sums[i] += load(source + position * map.channels + i * 16) }
      }
      for i in 0..<vectors { sums[i] *= share }
      var spread = InlineArray<vectors, Vector>(repeating: .zero)
      for position in 0..<map.positions {
        for i in 0..<vectors {
          let d = load(source + position * map.channels + i * 16) - sums[i]
          spread[i].addProduct(d, d)
        }
      }
      // Of rows + 1 rows together: the mean moves by a share of the difference.
      let part = 1 / Float(row + 1)
      let weight = Vector(repeating: Float(map.positions) * Float(row) * part)
      for i in 0..<vectors {
        let at = i * 16
        guard row > 0 else {
          store(sums[i], mean + at)
          store(spread[i], squares + at)
          continue
        }
        let d = sums[i] - load(mean + at)
        var m = load(mean + at)
        m.addProduct(d, Vector(repeating: part))
        var s = load(squares + at) + spread[i]
        s.addProduct(d * d, weight)
        store(m, mean + at)
        store(s, squares + at)
      }
    }
  }
}
