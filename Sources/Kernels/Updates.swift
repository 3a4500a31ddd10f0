// The optimizers' rules: each updates a run of weights and what is remembered of them.

import KernelInterface

/// Square roots of 16 numbers, none negative, within 2 units in the last place.
///
/// Newton's iteration for the reciprocal root, from the exponent's half (C. Lomont, "Fast inverse
/// square root", 2003): only sums and products, so the bits are the same on every machine, and
/// four times as fast as 16 scalar roots. The root of zero is zero.
@inline(__always)
func squareRoot(_ v: Vector) -> Vector {
  var words = SIMD16<Int32>.zero
  for lane in 0..<16 {
    words[lane] = 0x5f37_59df &- Int32(bitPattern: v[lane].bitPattern &>> 1)
  }
  var y = Vector.zero
  for lane in 0..<16 { y[lane] = Float(bitPattern: UInt32(bitPattern: words[lane])) }
  let half = v * Vector(repeating: -0.5)
  for _ in 0..<3 { y = y * (Vector(repeating: 1.5) + half * y * y) }
  return v * y
}

/// Whether numbers that were looked at are all finite.
private struct Finiteness {
  // Zero times a finite number is zero; NaN times infinity or NaN.
  private var zeros = Vector.zero

  @inline(__always)
  mutating func look(at v: Vector) { zeros += v * Vector.zero }

  @inline(__always)
  var holds: Bool { zeros == Vector.zero }
}

extension UpdateOperands {
  /// The mean gradients of 16 weights, with that of their decay.
  @inline(__always)
  fileprivate func meanGradient(_ i: Int) -> Vector {
    let mean = load(gradient + i) * Vector(repeating: scale)
    // A sum with zeros might turn -0 into 0.
    return decay == 0 ? mean : mean + load(weights + i) * Vector(repeating: decay)
  }
}

extension Operations {
  static func updateRMSprop(
    _ tile: UpdateOperands, secondMoment: Target, learningRate: Float, rho: Float, epsilon: Float
  ) -> Bool {
    var finite = Finiteness()
    var i = 0
    while i < tile.count {
      let g = tile.meanGradient(i)
      let a = load(secondMoment + i) * Vector(repeating: rho) + g * g * Vector(repeating: 1 - rho)
      store(a, secondMoment + i)
      let change =
        g * Vector(repeating: learningRate) / (squareRoot(a) + Vector(repeating: epsilon))
      let w = load(tile.weights + i) - change
      store(w, tile.weights + i)
      finite.look(at: w)
      finite.look(at: a)
      i += 16
    }
    return finite.holds
  }

  static func updateRMSprop(
    _ tile: UpdateOperands, secondMoment: Target, step: Target?, average: Target?,
    learningRate: Float, rho: Float, complement: Float, momentum: Float, epsilon: Float
  ) -> Bool {
    var finite = Finiteness()
    let (rho, complement) = (Vector(repeating: rho), Vector(repeating: complement))
    var i = 0
    while i < tile.count {
      let g = tile.meanGradient(i)
      let v = rho * load(secondMoment + i) + complement * (g * g)
      store(v, secondMoment + i)
      finite.look(at: v)
      var variance = v
      if let average {
        let a = rho * load(average + i) + complement * g
        store(a, average + i)
        finite.look(at: a)
        variance = v - a * a
        variance.replace(with: Vector.zero, where: variance .< Vector.zero)
      }
      var change =
        Vector(repeating: learningRate) * g / squareRoot(variance + Vector(repeating: epsilon))
      if let step {
        change = Vector(repeating: momentum) * load(step + i) + change
        store(change, step + i)
        finite.look(at: change)
      }
      let w = load(tile.weights + i) - change
      store(w, tile.weights + i)
      finite.look(at: w)
      i += 16
    }
    return finite.holds
  }

  static func updateSGD(
    _ tile: UpdateOperands, step: Target?, learningRate: Float, momentum: Float, nesterov: Bool
  ) -> Bool {
    var finite = Finiteness()
    let momentum = Vector(repeating: momentum)
    var i = 0
    while i < tile.count {
      let change = tile.meanGradient(i) * Vector(repeating: learningRate)
      var w = load(tile.weights + i)
      if let step {
        let s = load(step + i) * momentum - change
        store(s, step + i)
        finite.look(at: s)
        w = w + (nesterov ? s * momentum - change : s)
      } else {
        w = w - change
      }
      store(w, tile.weights + i)
      finite.look(at: w)
      i += 16
    }
    return finite.holds
  }

  static func updateAdam(
    _ tile: UpdateOperands, firstMoment: Target, secondMoment: Target, step: Float,
    complements: (first: Float, second: Float), epsilon: Float,
    decay: (rate: Float, strength: Float)?
  ) -> Bool {
    var finite = Finiteness()
    var i = 0
    while i < tile.count {
      let g = tile.meanGradient(i)
      let (m0, v0) = (load(firstMoment + i), load(secondMoment + i))
      let m = m0 + (g - m0) * Vector(repeating: complements.first)
      let v = v0 + (g * g - v0) * Vector(repeating: complements.second)
      store(m, firstMoment + i)
      store(v, secondMoment + i)
      var w = load(tile.weights + i)
      if let decay {
        w = w - w * Vector(repeating: decay.strength) * Vector(repeating: decay.rate)
      }
      w = w - m * Vector(repeating: step) / (squareRoot(v) + Vector(repeating: epsilon))
      store(w, tile.weights + i)
      finite.look(at: m)
      finite.look(at: v)
      finite.look(at: w)
      i += 16
    }
    return finite.holds
  }
}
