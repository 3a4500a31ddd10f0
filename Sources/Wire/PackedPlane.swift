import NIOCore

/// Bytes that are mostly a few neighbouring numbers, in a few bits each.
///
/// The exponents of a gradient have 3 to 4 bits of entropy, but no sequence of them comes again,
/// which is all that LZ4 finds. A byte becomes its distance from `base` in `width` bits; the
/// highest code stands for the next of the other bytes, which are listed. What is written is base,
/// width, the list's length in two bytes, the list, and the codes as `width` planes of bits.
struct PackedPlane {
  private static let widths = 2...5

  private let base: UInt8
  private let width: Int
  /// About the bytes that `write` will take.
  let expectedBytes: Int

  private init(base: UInt8, width: Int, expectedBytes: Int) {
    (self.base, self.width, self.expectedBytes) = (base, width, expectedBytes)
  }

  /// The base and width that make a sample of `plane` smallest; nil where nothing makes it smaller.
  init?(for plane: UnsafeRawBufferPointer) {
    // An odd distance: neighbouring channels differ, and there are 2^n of them.
    let distance = max(1, plane.count / 2048) | 1
    var best: PackedPlane?
    withUnsafeTemporaryAllocation(of: Int.self, capacity: 257) { sums in
      sums.initialize(repeating: 0)
      var samples = 0
      for i in stride(from: 0, to: plane.count, by: distance) {
        sums[Int(plane[i]) + 1] += 1
        samples += 1
      }
      for i in 0..<256 { sums[i + 1] += sums[i] }
      for width in Self.widths {
        let numbers = 1 << width - 1
        var (covered, base) = (0, 0)
        for first in 0...256 - numbers where sums[first + numbers] - sums[first] > covered {
          (covered, base) = (sums[first + numbers] - sums[first], first)
        }
        let others = (samples - covered) * plane.count / max(samples, 1)
        let bytes = 4 + others + width * Self.bitPlane(plane.count)
        guard bytes < best?.expectedBytes ?? plane.count else { continue }
        best = PackedPlane(base: UInt8(base), width: width, expectedBytes: bytes)
      }
    }
    guard let best else { return nil }
    self = best
  }

  /// Bytes of one bit of `count` codes: whole words of 64 bits.
  private static func bitPlane(_ count: Int) -> Int { (count + 63) / 64 * 8 }

  /// The codes of `count` bytes, those that fill the last words included.
  static func codes(_ count: Int) -> Int { 8 * bitPlane(count) }

  /// Appends `plane`.
  func write(_ plane: UnsafeRawBufferPointer, into bytes: inout ByteBuffer) {
    let (codes, length) = (Self.codes(plane.count), Self.bitPlane(plane.count))
    let memory = UnsafeMutablePointer<UInt8>.allocate(capacity: codes + plane.count)
    defer { memory.deallocate() }
    let escape = UInt8(truncatingIfNeeded: 1 << width - 1)
    for i in 0..<plane.count { memory[i] = min(plane[i] &- base, escape) }
    for i in plane.count..<codes { memory[i] = 0 }
    let others = memory + codes
    var count = 0
    Self.forEach(escape, in: memory, plane.count) { place in
      others[count] = plane[place]
      count += 1
    }
    bytes.writeInteger(base)
    bytes.writeInteger(UInt8(width))
    bytes.writeInteger(UInt16(count), endianness: .little)
    bytes.writeBytes(UnsafeRawBufferPointer(start: others, count: count))
    bytes.writeWithUnsafeMutableBytes(minimumWritableBytes: width * length) { target in
      if let target = target.baseAddress { packBits(memory, length, into: target) }
      return width * length
    }
  }

  /// Bit k of byte i of plane b is bit b of code i + k `length`, where `length` is the bytes of a
  /// plane: so 8 codes, which lie side by side, are shifted and masked as one word.
  private func packBits(
    _ codes: UnsafeRawPointer, _ length: Int, into planes: UnsafeMutableRawPointer
  ) {
    for bit in 0..<width {
      for i in stride(from: 0, to: length, by: 8) {
        var word: UInt64 = 0
        for k in 0..<8 {
          let eight = codes.load(fromByteOffset: k * length + i, as: UInt64.self)
          word |= (eight &>> UInt64(bit) & 0x0101_0101_0101_0101) &<< UInt64(k)
        }
        planes.storeBytes(of: word, toByteOffset: bit * length + i, as: UInt64.self)
      }
    }
  }

  /// Reads a plane of `count` bytes into `target`, which has room for as many `codes`.
  static func read(
    _ reader: inout PartReader, count: Int, into target: UnsafeMutableRawPointer
  ) throws(WireError) {
    let base = try reader.byte()
    let width = Int(try reader.byte())
    guard (1...7).contains(width) else {
      throw WireError("received a part packed to \(width) bits, which cannot be")
    }
    let others = try reader.take(reader.count())
    let length = bitPlane(count)
    let planes = try reader.take(width * length)
    if let planes = planes.baseAddress { unpackBits(planes, width, length, into: target) }
    let bytes = target.assumingMemoryBound(to: UInt8.self)
    for i in 0..<count { bytes[i] &+= base }
    let escape = UInt8(truncatingIfNeeded: 1 << width - 1) &+ base
    var taken = 0
    forEach(escape, in: bytes, count) { place in
      if taken < others.count { bytes[place] = others[taken] }
      taken += 1
    }
    guard taken == others.count else {
      throw WireError("received a part that lists \(others.count) bytes and names \(taken)")
    }
  }

  /// Calls `body` with the place of each `byte` among the first `count` of `bytes`.
  ///
  /// It may change the byte at that place. Behind the last there is room to the next multiple of 8.
  @inline(__always)
  private static func forEach(
    _ byte: UInt8, in bytes: UnsafeMutablePointer<UInt8>, _ count: Int, _ body: (Int) -> Void
  ) {
    let ones: UInt64 = 0x0101_0101_0101_0101
    let low = ones &* 0x7f
    let pattern = ones &* UInt64(byte)
    var first = 0
    while first < count {
      let word = UnsafeRawPointer(bytes + first).loadUnaligned(as: UInt64.self) ^ pattern
      // The high bit of each byte that is 0 now.
      var found = ~((word & low) &+ low | word | low)
      while found != 0 {
        let place = first &+ found.trailingZeroBitCount &>> 3
        guard place < count else { break }
        body(place)
        found &= found &- 1
      }
      first &+= 8
    }
  }

  /// Undoes `packBits`.
  private static func unpackBits(
    _ planes: UnsafeRawPointer, _ width: Int, _ length: Int, into codes: UnsafeMutableRawPointer
  ) {
    for i in stride(from: 0, to: length, by: 8) {
      for k in 0..<8 {
        var eight: UInt64 = 0
        for bit in 0..<width {
          let word = planes.loadUnaligned(fromByteOffset: bit * length + i, as: UInt64.self)
          eight |= (word &>> UInt64(k) & 0x0101_0101_0101_0101) &<< UInt64(bit)
        }
        codes.storeBytes(of: eight, toByteOffset: k * length + i, as: UInt64.self)
      }
    }
  }
}
