/// Sine and cosine that are the same on every machine, as those of a C library are not.
package enum Trigonometry {
  /// The sine and the cosine of an angle.
  ///
  /// - Parameter degrees: at most a few turns; their error grows with it.
  /// - Returns: with an error below 1e-15 up to a full turn; exact at multiples of 90 degrees.
  package static func sineAndCosine(degrees: Double) -> (sine: Double, cosine: Double) {
    // The rest is exact, and at most 45 degrees either way.
    let quarters = (degrees / 90).rounded()
    let x = (degrees - quarters * 90) * (Double.pi / 180)
    let square = x * x
    // Taylor's polynomials: the terms left out are below 2e-17 at 45 degrees.
    let sine = x * polynomial(sineTerms, square)
    let cosine = polynomial(cosineTerms, square)
    switch Int(quarters.truncatingRemainder(dividingBy: 4)) {
    case 0: return (sine, cosine)
    case 1, -3: return (cosine, -sine)
    case 2, -2: return (-sine, -cosine)
    default: return (-cosine, sine)
    }
  }

  /// 1, -1/3!, 1/5! and so on.
  private static let sineTerms = terms(from: 1)
  /// 1, -1/2!, 1/4! and so on.
  private static let cosineTerms = terms(from: 0)

  private static func terms(from first: Int) -> [Double] {
    var (factorial, term) = (1.0, 1.0)
    return (0..<9).map { index in
      defer {
        let next = Double(2 * index + first)
        factorial *= (next + 1) * (next + 2)
        term = -term
      }
      return term / factorial
    }
  }

  private static func polynomial(_ terms: [Double], _ x: Double) -> Double {
    terms.reversed().reduce(0) { $0 * x + $1 }
  }
}
