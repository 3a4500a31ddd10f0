import CXXHash

/// XXH3, 128 bits: the one digest of the project, for weights, gradients and pictures.
///
/// It finds errors and differences; it is no defence against somebody who forges data.
public struct Digest: Hashable, Sendable, Codable, CustomStringConvertible {
  /// The upper 64 bits.
  public let high: UInt64
  /// The lower 64 bits.
  public let low: UInt64

  /// The digest of `bytes`.
  public init(of bytes: UnsafeRawBufferPointer) {
    self.init(XXH3_128bits(bytes.baseAddress, bytes.count))
  }

  /// The digest of digests, in their order.
  public init(of digests: [Digest]) {
    let words = digests.flatMap { [$0.high.littleEndian, $0.low.littleEndian] }
    self = words.withUnsafeBytes(Digest.init(of:))
  }

  /// The digest of no bytes: of what is not there, or needs none.
  public static let ofNothing = Digest(of: UnsafeRawBufferPointer(start: nil, count: 0))

  /// From its two halves.
  public init(high: UInt64, low: UInt64) { (self.high, self.low) = (high, low) }

  init(_ hash: XXH128_hash_t) {
    (high, low) = (hash.high64, hash.low64)
  }

  /// From 32 hexadecimal digits; nil for anything else.
  public init?(_ text: String) {
    guard text.utf8.count == 32, let high = UInt64(text.prefix(16), radix: 16),
      let low = UInt64(text.suffix(16), radix: 16)
    else { return nil }
    (self.high, self.low) = (high, low)
  }

  /// 32 hexadecimal digits, as `xxh128sum` prints them.
  public var description: String { Self.hexadecimal(high) + Self.hexadecimal(low) }

  private static func hexadecimal(_ word: UInt64) -> String {
    let digits = String(word, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }

  /// Reads the 32 digits.
  /// - Throws: `DecodingError` where they are not.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    guard let digest = Digest(try container.decode(String.self)) else {
      throw DecodingError.dataCorruptedError(in: container, debugDescription: "no digest")
    }
    self = digest
  }

  /// Writes the 32 digits.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(description)
  }
}

/// Computes one `Digest` over several pieces of memory, as if they were one.
public struct DigestHasher: ~Copyable {
  private let memory: UnsafeMutableRawPointer
  private var state: OpaquePointer { OpaquePointer(memory) }

  /// Nothing hashed yet.
  public init() {
    memory = .allocate(byteCount: cxxhash_state_size(), alignment: 64)
    memory.initializeMemory(as: UInt8.self, repeating: 0, count: cxxhash_state_size())
    XXH3_128bits_reset(state)
  }

  deinit { memory.deallocate() }

  /// Appends `bytes`.
  public mutating func update(_ bytes: UnsafeRawBufferPointer) {
    XXH3_128bits_update(state, bytes.baseAddress, bytes.count)
  }

  /// The digest of all that was appended.
  public consuming func finish() -> Digest { Digest(XXH3_128bits_digest(state)) }
}
