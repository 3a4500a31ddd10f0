// What is done to each number alone.

import KernelInterface

extension Operations {
  static func bytesToFloats(_ bytes: UnsafePointer<UInt8>, values: Target, count: Int) {
    for i in 0..<count { values[i] = Float(bytes[i]) * (1 / 255) }
  }

  static func sum(_ a: Source, _ b: Source, target: Target, count: Int) {
    var i = 0
    while i < count {
      store(load(a + i) + load(b + i), target + i)
      i += 16
    }
  }

  static func copyRows(
    _ source: Source, sourceRow: Int, target: Target, targetRow: Int, rows: Int, width: Int
  ) {
    for row in 0..<rows {
      (target + row * targetRow).update(from: source + row * sourceRow, count: width)
    }
  }
}

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

extension Operations {
  static func updateRMSprop(
    weights: Target, secondMoment: Target, gradient: Source, count: Int, scale: Float,
    learningRate: Float, rho: Float, epsilon: Float
  ) -> Bool {
    // Zero times a finite number is zero; NaN times infinity or NaN.
    var zeros = Vector.zero
    var i = 0
    while i < count {
      let g = load(gradient + i) * Vector(repeating: scale)
      let a = load(secondMoment + i) * Vector(repeating: rho) + g * g * Vector(repeating: 1 - rho)
      store(a, secondMoment + i)
      let change =
        g * Vector(repeating: learningRate) / (squareRoot(a) + Vector(repeating: epsilon))
      let w = load(weights + i) - change
      store(w, weights + i)
      zeros += w * Vector.zero + a * Vector.zero
      i += 16
    }
    return zeros == Vector.zero
  }
}
