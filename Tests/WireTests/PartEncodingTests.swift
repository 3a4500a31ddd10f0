import NIOCore
import Primitives
import Testing
import Wire

@Suite("Parts in their encodings")
struct PartEncodingTests {
  /// Floats of one kind, as many as a test asks for.
  enum Sample: CaseIterable {
    case noise, factors, bits, zeros, negativeZeros, denormals, infinities, notNumbers, equal
    case mixed

    /// - Parameter seed: another seed, other floats.
    func floats(_ count: Int, seed: UInt64 = 1) -> [Float] {
      let draws = CounterRandom(seed: seed, purpose: .benchmark, UInt64(count))
      return (0..<UInt64(count)).map { index in
        let bits = UInt32(truncatingIfNeeded: draws.bits(index))
        switch self {
        case .noise: return Self.gaussian(draws, index)
        case .factors: return max(0, Self.gaussian(draws, index))
        case .bits: return Float(bitPattern: bits)
        case .zeros: return 0
        case .negativeZeros: return bits % 2 == 0 ? 0 : -0.0
        case .denormals: return Float(bitPattern: bits & 0x807F_FFFF)
        case .infinities: return bits % 2 == 0 ? .infinity : -.infinity
        // Quiet and signalling ones of either sign, with any payload.
        case .notNumbers: return Float(bitPattern: bits | 0x7F80_0001)
        case .equal: return 0.1
        case .mixed:
          let kinds = Self.allCases.dropLast()
          let kind = kinds[Int(bits >> 8) % kinds.count]
          return kind.floats(1, seed: draws.bits(index))[0]
        }
      }
    }

    /// About that: the sum of 12 uniform draws.
    private static func gaussian(_ draws: CounterRandom, _ index: UInt64) -> Float {
      (0..<12).reduce(0 as Float) { $0 + draws.symmetricFloat(index * 12 + $1) } / 2
    }
  }

  /// Floats that are decoded into the middle of others, which stay as they are.
  final class GuardedFloats {
    private static let guards = 32
    private static let pattern: UInt32 = 0xDEAD_BEEF
    private let memory: UnsafeMutableBufferPointer<Float>

    init(_ count: Int) {
      memory = .allocate(capacity: count + 2 * Self.guards)
      memory.initialize(repeating: Float(bitPattern: Self.pattern))
    }

    deinit { memory.deallocate() }

    var target: UnsafeMutableBufferPointer<Float> {
      UnsafeMutableBufferPointer(rebasing: memory[Self.guards..<memory.count - Self.guards])
    }

    var bits: [UInt32] { target.map(\.bitPattern) }

    var isIntact: Bool {
      (memory.prefix(Self.guards) + memory.suffix(Self.guards))
        .allSatisfy { $0.bitPattern == Self.pattern }
    }
  }

  func decoded(_ part: EncodedPart, count: Int) throws -> [UInt32] {
    let floats = GuardedFloats(count)
    try PartCoding.decode(part.bytes, part.encoding, into: floats.target)
    #expect(floats.isIntact)
    return floats.bits
  }

  @Test(arguments: Sample.allCases, PartEncoding.allCases)
  func roundTripOfEveryEncoding(sample: Sample, encoding: PartEncoding) throws {
    for count in Array(1...70) + [127, 128, 129, 864, 5000, 16383, 16384] {
      let floats = sample.floats(count)
      let part = floats.withUnsafeBufferPointer { PartCoding.encode($0, as: encoding) }
      #expect(part.encoding == encoding)
      #expect(try decoded(part, count: count) == floats.map(\.bitPattern), "\(count) floats")
    }
  }

  /// Whatever is chosen is no longer than the floats, and gives them back.
  @Test(arguments: Sample.allCases) func choices(sample: Sample) throws {
    for count in [0, 1, 2, 31, 64, 512, 1000, 16384] {
      let floats = sample.floats(count)
      for rate in [nil, 1e-9, 1e6, 12.5e6, 125e6, 1.25e9, 1e10, .infinity, .nan, 0, -1] {
        let part = floats.withUnsafeBufferPointer {
          PartCoding.encode($0, bytesPerSecond: rate)
        }
        #expect(part.bytes.readableBytes <= PartCoding.maximumBytes(floats: count))
        #expect(try decoded(part, count: count) == floats.map(\.bitPattern))
      }
    }
  }

  func choice(_ floats: [Float], bytesPerSecond: Double?) -> (PartEncoding, bytes: Int) {
    let part = floats.withUnsafeBufferPointer {
      PartCoding.encode($0, bytesPerSecond: bytesPerSecond)
    }
    return (part.encoding, part.bytes.readableBytes)
  }

  @Test func theLinkDecides() {
    let count = PartCoding.maximumFloats
    let noise = Sample.noise.floats(count)
    #expect(choice(noise, bytesPerSecond: .infinity).0 == .plain)
    #expect(choice(noise, bytesPerSecond: 4e9).0 == .plain)
    for slow in [12.5e6, 125e6, nil] {
      let (encoding, bytes) = choice(noise, bytesPerSecond: slow)
      #expect(encoding == .planes)
      #expect(Double(bytes) < 3.6 * Double(count))
    }
    let factors = Sample.factors.floats(count)
    #expect(choice(factors, bytesPerSecond: .infinity).0 == .plain)
    for link in [12.5e6, 125e6, nil] {
      let (encoding, bytes) = choice(factors, bytesPerSecond: link)
      #expect(encoding == .sparse)
      #expect(Double(bytes) < 2 * Double(count))
    }
    // Faster than planes are made, and still no link for zeros.
    #expect(choice(factors, bytesPerSecond: 1e9).0 == .sparse)
    #expect(choice(Sample.zeros.floats(count), bytesPerSecond: nil).bytes < 64)
    #expect(choice(Sample.bits.floats(count), bytesPerSecond: nil).0 == .plain)
  }

  /// Each truncation is found, and each byte too many.
  @Test(arguments: [PartEncoding.planes, .sparse])
  func truncated(encoding: PartEncoding) throws {
    for sample in Sample.allCases {
      let floats = sample.floats(300)
      let part = floats.withUnsafeBufferPointer { PartCoding.encode($0, as: encoding) }
      let target = GuardedFloats(floats.count)
      let whole = Array(part.bytes.readableBytesView)
      for length in 0..<whole.count {
        #expect(throws: WireError.self, "\(sample), \(length) bytes") {
          try PartCoding.decode(ByteBuffer(bytes: whole[..<length]), encoding, into: target.target)
        }
      }
      #expect(throws: WireError.self) {
        try PartCoding.decode(ByteBuffer(bytes: whole + [0]), encoding, into: target.target)
      }
      #expect(target.isIntact)
    }
  }

  @Test func whatCannotBe() throws {
    let target = GuardedFloats(100)
    func expectError(_ fragment: String, _ bytes: [UInt8], _ encoding: PartEncoding) {
      let error = #expect(throws: WireError.self) {
        try PartCoding.decode(ByteBuffer(bytes: bytes), encoding, into: target.target)
      }
      #expect(error?.description.contains(fragment) == true, "\(error?.description ?? "")")
    }
    let stored = [0] + [UInt8](repeating: 0, count: 100)
    expectError("1 bytes too early", [UInt8](repeating: 0, count: 399), .plain)
    expectError("1 bytes too many", [UInt8](repeating: 0, count: 401), .plain)
    expectError("plane of unknown form 3", [3], .planes)
    expectError("damaged LZ4 block", [1, 0, 0], .planes)
    expectError("damaged LZ4 block", [1, 2, 0, 0x10, 7], .planes)
    expectError("packed to 0 bits", [2, 100, 0, 0, 0], .planes)
    expectError("packed to 8 bits", [2, 100, 8, 0, 0], .planes)
    // One other byte is listed, and no code asks for it; or all ask, and none is listed.
    let bits = [UInt8](repeating: 0, count: 16)
    expectError("lists 1 bytes and names 0", [2, 100, 1, 1, 0, 9] + bits, .planes)
    expectError(
      "lists 0 bytes and names 100", [2, 100, 1, 0, 0] + bits.map { _ in 0xFF }, .planes)
    expectError("4 bytes too early", stored + stored + stored + stored.dropLast(4), .planes)
    // A mask of 13 bytes has 4 bits more than there are floats.
    let empty = [UInt8](repeating: 0, count: 12)
    expectError("names more than its 100 floats", [0] + empty + [0x10, 0], .sparse)
    expectError("floats of unknown form 2", [0] + empty + [0, 2], .sparse)
    expectError("3 bytes too early", [0] + empty + [1, 0, 7], .sparse)
    expectError("1 bytes too many", [0] + empty + [0, 0, 7], .sparse)
    let large = GuardedFloats(PartCoding.maximumFloats + 1)
    let error = #expect(throws: WireError.self) {
      try PartCoding.decode(ByteBuffer(), .plain, into: large.target)
    }
    #expect(error?.description.contains("the limit is 16384") == true)
    #expect(target.isIntact && large.isIntact)
  }

  /// Changed bytes make the decoder throw or give floats, and nothing is written beside them.
  ///
  /// The floats may be others: the checksum of a frame and the digest of the gradient find those.
  @Test(arguments: [PartEncoding.planes, .sparse])
  func changed(encoding: PartEncoding) throws {
    let draws = CounterRandom(seed: 7, purpose: .benchmark, UInt64(encoding.rawValue))
    var draw: UInt64 = 0
    func next(_ below: Int) -> Int {
      draw += 1
      return Int(draws.bits(draw) % UInt64(below))
    }
    let samples = Sample.allCases.flatMap { sample in
      [60, 200, 700].map { (count: $0, floats: sample.floats($0)) }
    }
    let messages = samples.map { sample in
      let part = sample.floats.withUnsafeBufferPointer { PartCoding.encode($0, as: encoding) }
      return (bytes: Array(part.bytes.readableBytesView), target: GuardedFloats(sample.count))
    }
    var errors = 0
    for _ in 0..<100_000 {
      let message = messages[next(messages.count)]
      var bytes = message.bytes
      for _ in 0...next(3) {
        // Half of them at the beginning, where there are forms and lengths.
        bytes[next(next(2) == 0 ? min(16, bytes.count) : bytes.count)] = UInt8(next(256))
      }
      if next(8) == 0 { bytes.removeLast(next(bytes.count)) }
      do {
        try bytes.withUnsafeBytes {
          try PartCoding.decode($0, encoding, into: message.target.target)
        }
      } catch is WireError {
        errors += 1
      }
    }
    #expect(errors > 10_000)
    let areIntact = messages.allSatisfy { $0.target.isIntact }
    #expect(areIntact)
  }
}
