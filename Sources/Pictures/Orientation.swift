/// What EXIF says about how a camera was held.
enum Orientation {
  /// The orientation that the JPEG file `data` carries, 2 to 8; nil where it has none, or 1, which
  /// is upright.
  ///
  /// Looks at the segments before the picture alone, and never beyond the end of one.
  static func turned(_ data: UnsafeRawBufferPointer) -> Int? {
    guard data.starts(with: [0xFF, 0xD8]) else { return nil }
    var place = 2
    while place + 4 <= data.count, data[place] == 0xFF {
      let marker = data[place + 1]
      if marker == 0xFF {  // Markers may be filled up with FF.
        place += 1
        continue
      }
      let length = Int(data[place + 2]) << 8 | Int(data[place + 3])
      // The picture begins, or there is no length: FF D0 to FF DA, FF 01.
      guard !(0xD0...0xDA).contains(marker), marker > 1, length >= 2,
        place + 2 + length <= data.count
      else { return nil }
      let segment = UnsafeRawBufferPointer(rebasing: data[place + 4..<place + 2 + length])
      if marker == 0xE1, segment.starts(with: Array("Exif\0\0".utf8)) {
        return turned(inTIFF: UnsafeRawBufferPointer(rebasing: segment[6...]))
      }
      place += 2 + length
    }
    return nil
  }

  /// Looks through the first directory of EXIF's TIFF for the tag 0112, a 16-bit number.
  private static func turned(inTIFF data: UnsafeRawBufferPointer) -> Int? {
    let isLittle = data.starts(with: Array("II*\0".utf8))
    guard isLittle || data.starts(with: Array("MM\0*".utf8)) else { return nil }
    func number(_ place: Int, bytes: Int) -> Int? {
      guard place >= 0, place + bytes <= data.count else { return nil }
      let digits = data[place..<place + bytes]
      return isLittle
        ? digits.reversed().reduce(0) { $0 << 8 | Int($1) }
        : digits.reduce(0) { $0 << 8 | Int($1) }
    }
    guard let directory = number(4, bytes: 4), let count = number(directory, bytes: 2) else {
      return nil
    }
    for entry in 0..<count {
      let place = directory + 2 + entry * 12
      guard let tag = number(place, bytes: 2) else { return nil }
      guard tag == 0x0112 else { continue }
      guard number(place + 2, bytes: 2) == 3, let value = number(place + 8, bytes: 2),
        (2...8).contains(value)
      else { return nil }
      return value
    }
    return nil
  }
}
