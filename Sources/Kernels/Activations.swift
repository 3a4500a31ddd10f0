// Functions of one number. exp is our own, of sums and products alone, so that every machine has
// the same bits.

import KernelInterface

extension Operations {
  static func activate(
    _ function: ActivationFunction, input: Source, output: Target, count: Int
  ) {
    var i = 0
    while i < count {
      store(value(function, load(input + i)), output + i)
      i += 16
    }
  }

  static func activationGradient(
    _ function: ActivationFunction, input: Source, output: Source, gradient: Source,
    target: Target, count: Int
  ) {
    var i = 0
    while i < count {
      let slope = slope(function, load(input + i), load(output + i))
      store(load(gradient + i) * slope, target + i)
      i += 16
    }
  }

  static func multiplied(_ a: Source, _ b: Source, target: Target, count: Int) {
    var i = 0
    while i < count {
      store(load(a + i) * load(b + i), target + i)
      i += 16
    }
  }

  static func scaled(_ a: Source, by factor: Float, target: Target, count: Int) {
    let factor = Vector(repeating: factor)
    var i = 0
    while i < count {
      store(load(a + i) * factor, target + i)
      i += 16
    }
  }
}

@inline(__always) private var one: Vector { Vector(repeating: 1) }

/// f(x).
@inline(never)
private func value(_ function: ActivationFunction, _ x: Vector) -> Vector {
  switch function.kind {
  case activationSigmoid: return sigmoid(x)
  case activationHardSigmoid:
    var v = Vector(repeating: function.offset)
    v.addProduct(x, Vector(repeating: function.slope))
    v.replace(with: Vector.zero, where: Vector.zero .> v)
    v.replace(with: one, where: v .> one)
    return v
  case activationTanh: return hyperbolicTangent(x)
  case activationSwish: return x * sigmoid(x)
  case activationGelu: return x * normalShare(x)
  case activationGeluTanh: return x * sigmoid(geluTanhArgument(x) * 2)
  default:
    let threshold = Vector(repeating: function.offset)
    let ceiling = Vector(repeating: function.ceiling)
    var v = x
    v.replace(with: ceiling, where: x .> ceiling)
    v.replace(
      with: (x - threshold) * Vector(repeating: function.slope), where: .!(x .>= threshold))
    return v
  }
}

/// f'(x), for y = f(x).
@inline(never)
private func slope(_ function: ActivationFunction, _ x: Vector, _ y: Vector) -> Vector {
  switch function.kind {
  case activationSigmoid: return y * (one - y)
  case activationHardSigmoid:
    var slope = Vector(repeating: function.slope)
    slope.replace(with: Vector.zero, where: .!(y .> Vector.zero))
    slope.replace(with: Vector.zero, where: .!(one .> y))
    return slope
  case activationTanh: return one - y * y
  case activationSwish:
    let s = sigmoid(x)
    return s + y * (one - s)
  case activationGelu:
    // The share below x, and x times the density.
    let density =
      exponential(x * x * Vector(repeating: -0.5)) * Vector(repeating: 0.398_942_28)
    return normalShare(x) + x * density
  case activationGeluTanh:
    let s = sigmoid(geluTanhArgument(x) * 2)
    var inner = Vector(repeating: 0.797_884_56)
    inner.addProduct(x * x, Vector(repeating: 3 * 0.044_715 * 0.797_884_56))
    return s + x * (s * (one - s)) * (inner * 2)
  default:
    var slope = one
    slope.replace(with: Vector.zero, where: x .>= Vector(repeating: function.ceiling))
    slope.replace(
      with: Vector(repeating: function.slope), where: .!(x .> Vector(repeating: function.offset)))
    return slope
  }
}

/// exp(x), within 2 units in the last place; from 87.3 and -87.3 on it is that of these.
///
/// 2^n exp(r), with n the nearest integer to x / log 2 and the polynomial of Cephes's expf for r
/// (S. Moshier, 1989).
@inline(__always)
private func exponential(_ x: Vector) -> Vector {
  var x = x
  x.replace(with: Vector(repeating: 88), where: x .> Vector(repeating: 88))
  x.replace(with: Vector(repeating: -87.3), where: Vector(repeating: -87.3) .> x)
  // The sum's last bits are n.
  let shift = Vector(repeating: 12_582_912)
  var shifted = shift
  shifted.addProduct(x, Vector(repeating: 1.442_695))
  let n = shifted - shift
  var r = x
  r.addProduct(n, Vector(repeating: -0.693_359_4))
  r.addProduct(n, Vector(repeating: 2.121_944_4e-4))
  let p = polynomial(
    [1.987_569_1e-4, 1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5, 1, 1], r)
  var power = Vector.zero
  for lane in 0..<16 {
    power[lane] = Float(bitPattern: (shifted[lane].bitPattern &+ 127) &<< 23)
  }
  return p * power
}

/// A polynomial of x, from its highest coefficient to its lowest.
@inline(__always)
private func polynomial<let count: Int>(
  _ coefficients: InlineArray<count, Float>, _ x: Vector
) -> Vector {
  var p = Vector(repeating: coefficients[0])
  for i in 1..<count {
    var next = Vector(repeating: coefficients[i])
    next.addProduct(p, x)
    p = next
  }
  return p
}

/// 1 / (1 + exp(-x)).
@inline(__always)
private func sigmoid(_ x: Vector) -> Vector { one / (one + exponential(Vector.zero - x)) }

/// tanh x.
///
/// Near 0 by Cephes's polynomial for tanhf (S. Moshier, 1989), elsewhere by exp.
@inline(__always)
private func hyperbolicTangent(_ x: Vector) -> Vector {
  var v = one - Vector(repeating: 2) / (one + exponential(x + x))
  let square = x * x
  let p = polynomial(
    [-5.704_988_7e-3, 2.063_908_9e-2, -5.373_971_6e-2, 1.333_144_2e-1, -3.333_328_2e-1], square)
  var near = x
  near.addProduct(p * square, x)
  v.replace(with: near, where: Vector(repeating: 0.390_625) .> square)
  return v
}

/// The share of the normal distribution below x: (1 + erf(x / sqrt 2)) / 2.
///
/// erf is the rational function of Eigen's `erf`, within 4 units in the last place of 1.
@inline(__always)
private func normalShare(_ x: Vector) -> Vector {
  var z = x * Vector(repeating: 0.707_106_8)
  z.replace(with: Vector(repeating: 4), where: z .> Vector(repeating: 4))
  z.replace(with: Vector(repeating: -4), where: Vector(repeating: -4) .> z)
  let square = z * z
  let p = polynomial(
    [
      -2.726_142_3e-10, 2.770_681_4e-8, -2.101_024e-6, -5.692_506_2e-5, -7.349_906_3e-4,
      -2.954_599_9e-3,
      -1.609_603_3e-2,
    ], square)
  let q = polynomial(
    [-1.456_607_2e-5, -2.133_740_6e-4, -1.682_827e-3, -7.373_329e-3, -1.426_473_9e-2], square)
  return (one + z * p / q) * Vector(repeating: 0.5)
}

/// sqrt(2 / pi) (x + 0.044715 x^3).
@inline(__always)
private func geluTanhArgument(_ x: Vector) -> Vector {
  var inner = one
  inner.addProduct(x * x, Vector(repeating: 0.044_715))
  return x * inner * Vector(repeating: 0.797_884_56)
}
