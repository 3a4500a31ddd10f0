import NIOCore
import Primitives

/// The unit in which numbers travel: some floats of a gradient, of an update or of weights, in an
/// encoding of their own, with the digest of what they decode to.
public struct Part: Hashable, Sendable {
  /// What the floats are part of.
  public enum Content: Hashable, Sendable {
    /// A step's gradient: from the worker that computes it, and of factors to those that make the
    /// update themselves.
    case gradient(step: Int)
    /// The sum over an update's steps.
    case sum
    /// What the run has learnt: the weights are buffer 0, the optimizer's slots 1, 2 and so on.
    case state(buffer: Int)
  }

  /// What the floats are part of.
  public let content: Content
  /// The weights that a gradient or an update is for, or that the state holds.
  public let version: WeightsVersion
  /// Which part: its place in `GradientLayout.parts`, or among the tiles of a state's buffer.
  public let index: Int
  /// The digest of the floats, little-endian.
  public let digest: Digest
  /// How they are written.
  let encoding: PartEncoding
  /// What they are written as.
  let bytes: ByteBuffer

  /// Encodes `floats`.
  /// - Parameter bytesPerSecond: of the link; nil where it is not known.
  public init(
    _ content: Content, version: WeightsVersion, index: Int,
    floats: UnsafeBufferPointer<Float>, bytesPerSecond: Double?
  ) {
    self.content = content
    self.version = version
    self.index = index
    digest = Digest(of: UnsafeRawBufferPointer(floats))
    let encoded = PartCoding.encode(floats, bytesPerSecond: bytesPerSecond)
    (encoding, bytes) = (encoded.encoding, encoded.bytes)
  }

  /// Writes the floats to `floats`.
  /// - Throws: `WireError` where they are not as many, or not those of the digest; what is written
  ///   is to be thrown away then.
  public func decode(into floats: UnsafeMutableBufferPointer<Float>) throws(WireError) {
    try PartCoding.decode(bytes, encoding, into: floats)
    guard Digest(of: UnsafeRawBufferPointer(floats)) == digest else {
      throw WireError("the digest of some of its numbers is not the one that they came with")
    }
  }
}

extension Part {
  /// Bytes of what comes before the encoded floats.
  static let headBytes = 34

  /// The bytes of the longest part.
  static func maximumBytes(_ limits: Limits) -> Int {
    headBytes + PartCoding.maximumBytes(floats: limits.partFloats)
  }

  /// What comes before the encoded floats: content, version, index, encoding and digest.
  var head: ByteBuffer {
    let (kind, number): (UInt8, Int) =
      switch content {
      case .gradient(let step): (0, step)
      case .sum: (1, 0)
      case .state(let buffer): (2, buffer)
      }
    var head = ByteBuffer()
    head.reserveCapacity(Self.headBytes)
    head.writeInteger(kind)
    for number in [number, version.rollback, version.update, index] {
      head.writeInteger(UInt32(truncatingIfNeeded: number))
    }
    head.writeInteger(encoding.rawValue)
    head.writeInteger(digest.high)
    head.writeInteger(digest.low)
    return head
  }

  /// A part that came.
  /// - Throws: `WireError` where it makes no sense.
  init(payload: ByteBuffer) throws(WireError) {
    var payload = payload
    guard let kind: UInt8 = payload.readInteger(),
      let (number, rollback, update, index) = payload.readMultipleIntegers(
        as: (UInt32, UInt32, UInt32, UInt32).self),
      let code: UInt8 = payload.readInteger(), let encoding = PartEncoding(rawValue: code),
      let (high, low) = payload.readMultipleIntegers(as: (UInt64, UInt64).self)
    else { throw WireError("received a part that cannot be read") }
    switch kind {
    case 0: content = .gradient(step: Int(number))
    case 1: content = .sum
    case 2: content = .state(buffer: Int(number))
    default: throw WireError("received a part of unknown content \(kind)")
    }
    version = WeightsVersion(rollback: Int(rollback), update: Int(update))
    self.index = Int(index)
    self.encoding = encoding
    digest = Digest(high: high, low: low)
    // The socket reads into its buffer again where nobody keeps it.
    bytes = ByteBuffer(bytes: payload.readableBytesView)
  }
}
