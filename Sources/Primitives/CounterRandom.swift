/// Random numbers by position: the draw at an index is a function of the key and the index alone,
/// so no generator state travels and any worker draws what any other would.
///
/// SplitMix64's finaliser (G. Steele, D. Lea and C. Flood, OOPSLA 2014) over a Weyl sequence that
/// starts at a mixed key.
public struct CounterRandom: Sendable {
  /// What the draws are for; each purpose has draws of its own.
  public enum Purpose: UInt64, Sendable {
    /// Glorot-uniform kernels.
    case initialWeights = 1
    /// The order of the training pictures in one pass over them.
    case trainingOrder = 2
    /// The order of the validation pictures.
    case validationOrder = 3
    /// Drawn sample pictures.
    case samplePicture = 4
    /// Inputs of benchmarks.
    case benchmark = 5
    /// The pictures of the probe that workers prove themselves with.
    case probe = 6
    /// Which steps two workers compute.
    case verification = 8
    /// The world of a simulated run.
    case simulation = 7
    /// How a training picture is changed in one pass over the data.
    case augmentation = 9
    /// Which numbers a dropout layer drops in a step.
    case dropout = 10
    /// What a layer of noise adds in a step.
    case noise = 11
    /// Which pictures of a class `prepare folder` puts into which part.
    case split = 20
  }

  private let key: UInt64

  /// Draws for `purpose` under `seed`; `a` and `b` tell apart what is drawn for: a pass, a step,
  /// a picture.
  public init(seed: UInt64, purpose: Purpose, _ a: UInt64 = 0, _ b: UInt64 = 0) {
    var key = Self.mix(seed &+ 0x9E37_79B9_7F4A_7C15)
    for word in [purpose.rawValue, a, b] { key = Self.mix(key ^ Self.mix(word &+ 0x632B_E59B)) }
    self.key = key
  }

  /// 64 random bits.
  public func bits(_ index: UInt64) -> UInt64 {
    Self.mix(key &+ (index &+ 1) &* 0x9E37_79B9_7F4A_7C15)
  }

  /// Uniform in [0, 1), a multiple of 2^-24.
  public func float(_ index: UInt64) -> Float { Float(bits(index) >> 40) * 0x1p-24 }

  /// Uniform in [-1, 1), a multiple of 2^-23.
  public func symmetricFloat(_ index: UInt64) -> Float { float(index) * 2 - 1 }

  /// Uniform in [0, 1), a multiple of 2^-53.
  public func double(_ index: UInt64) -> Double { Double(bits(index) >> 11) * 0x1p-53 }

  /// A permutation of 0..<count (Fisher and Yates), from draws 0..<count.
  public func permutation(_ count: Int) -> [Int] {
    var order = Array(0..<count)
    guard count > 1 else { return order }
    for i in stride(from: count - 1, to: 0, by: -1) {
      // The upper 64 bits of the product: a bias below 2^-32 for any count in memory.
      let j = Int(bits(UInt64(i)).multipliedFullWidth(by: UInt64(i + 1)).high)
      order.swapAt(i, j)
    }
    return order
  }

  private static func mix(_ word: UInt64) -> UInt64 {
    var z = word
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
