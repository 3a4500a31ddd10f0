// What losses and activations are made of: in doubles from sums, products and quotients alone, so
// that their bits do not depend on a machine's mathematics library.

/// 1 / (1 + exp(-z)), without overflow.
package func sigmoid(_ z: Double) -> Double {
  let small = exponential(-z.magnitude)
  return z < 0 ? small / (1 + small) : 1 / (1 + small)
}

/// exp(x) for x <= 0, within 2 units in the last place; zero below -700; NaN of NaN.
///
/// x = k log 2 + r with |r| <= log(2) / 2, and Taylor's series of exp(r) up to r^13.
package func exponential(_ x: Double) -> Double {
  guard x >= -700 else { return x.isNaN ? x : 0 }
  let k = (x * 1.442695040888963407).rounded()
  // log 2 in two parts, the first with 21 zero bits at its end: k times it is exact.
  let r = (x - k * 0x1.62e42fee00000p-1) - k * 0x1.a39ef35793c76p-33
  var sum = 1.0
  for n in stride(from: 13.0, through: 1, by: -1) { sum = 1 + sum * r / n }
  return Double(sign: .plus, exponent: Int(k), significand: sum)
}

/// log(x) for x >= 1, within 2 units in the last place of log 2 and of the result.
///
/// log x = 2 artanh(s), s = (x - 1) / (x + 1) <= 1/3, by its series up to s^35. What is above 2 is
/// a number from 1 to 2 times a power of 2.
package func logarithm(_ x: Double) -> Double {
  if x > 2, x.isFinite {
    return Double(x.exponent) * 0x1.62e42fefa39efp-1 + logarithm(x.significand)
  }
  let s = (x - 1) / (x + 1)
  var sum = 0.0
  for n in stride(from: 35.0, through: 1, by: -2) { sum = sum * s * s + 1 / n }
  return 2 * s * sum
}
