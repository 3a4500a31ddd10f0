/// The two checksums of HDF5.
enum HDF5Checksum {
  /// Of structures of newer files: `hashlittle(bytes, 0)` of Jenkins's lookup3.
  static func lookup3(_ bytes: ArraySlice<UInt8>) -> UInt32 {
    let start = 0xdead_beef &+ UInt32(truncatingIfNeeded: bytes.count)
    var (a, b, c) = (start, start, start)
    func word(_ place: Int) -> UInt32 {
      var word: UInt32 = 0
      for index in 0..<4 where place + index < bytes.endIndex {
        word |= UInt32(bytes[place + index]) << UInt32(8 * index)
      }
      return word
    }
    var place = bytes.startIndex
    while bytes.endIndex - place > 12 {
      (a, b, c) = (a &+ word(place), b &+ word(place + 4), c &+ word(place + 8))
      mix(&a, &b, &c)
      place += 12
    }
    if place == bytes.endIndex { return c }
    (a, b, c) = (a &+ word(place), b &+ word(place + 4), c &+ word(place + 8))
    finish(&a, &b, &c)
    return c
  }

  private static func rotated(_ word: UInt32, _ count: UInt32) -> UInt32 {
    word << count | word >> (32 - count)
  }

  private static func mix(_ a: inout UInt32, _ b: inout UInt32, _ c: inout UInt32) {
    (a, c) = ((a &- c) ^ rotated(c, 4), c &+ b)
    (b, a) = ((b &- a) ^ rotated(a, 6), a &+ c)
    (c, b) = ((c &- b) ^ rotated(b, 8), b &+ a)
    (a, c) = ((a &- c) ^ rotated(c, 16), c &+ b)
    (b, a) = ((b &- a) ^ rotated(a, 19), a &+ c)
    (c, b) = ((c &- b) ^ rotated(b, 4), b &+ a)
  }

  private static func finish(_ a: inout UInt32, _ b: inout UInt32, _ c: inout UInt32) {
    c = (c ^ b) &- rotated(b, 14)
    a = (a ^ c) &- rotated(c, 11)
    b = (b ^ a) &- rotated(a, 25)
    c = (c ^ b) &- rotated(b, 16)
    a = (a ^ c) &- rotated(c, 4)
    b = (b ^ a) &- rotated(a, 14)
    c = (c ^ b) &- rotated(b, 24)
  }

  /// Of a chunk of numbers: Fletcher's, over 16-bit words, the first byte the upper.
  static func fletcher32(_ bytes: ArraySlice<UInt8>) -> UInt32 {
    var (first, second): (UInt32, UInt32) = (0, 0)
    func folded(_ sum: UInt32) -> UInt32 { (sum & 0xffff) + (sum >> 16) }
    var index = bytes.startIndex
    while index < bytes.endIndex {
      let low = index + 1 < bytes.endIndex ? UInt32(bytes[index + 1]) : 0
      first = folded(first + (UInt32(bytes[index]) << 8 | low))
      second = folded(second + first)
      index += 2
    }
    return folded(second) << 16 | folded(first)
  }
}
