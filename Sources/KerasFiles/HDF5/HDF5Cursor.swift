/// Takes numbers out of bytes of a file, one after the other, and never beyond their end.
///
/// Numbers are little-endian, as everywhere in the structures of HDF5.
struct HDF5Cursor {
  /// What the bytes are, for errors.
  let name: String
  private let bytes: [UInt8]
  /// The place of the next byte.
  private(set) var position: Int
  private let end: Int

  /// At the start of `bytes`.
  init(_ bytes: [UInt8], _ name: String) {
    (self.bytes, self.name, position, end) = (bytes, name, 0, bytes.count)
  }

  private init(_ bytes: [UInt8], _ name: String, _ range: Range<Int>) {
    (self.bytes, self.name, position, end) = (bytes, name, range.lowerBound, range.upperBound)
  }

  /// The bytes that are left.
  var remaining: Int { end - position }

  /// The next bytes as a number.
  /// - Throws: `HDF5Problem` where fewer are left.
  mutating func number<Number: FixedWidthInteger & UnsignedInteger>(
    _ type: Number.Type = Number.self
  ) throws -> Number {
    let width = MemoryLayout<Number>.size
    guard width <= remaining else { throw tooShort }
    var value: UInt64 = 0
    for index in 0..<width { value |= UInt64(bytes[position + index]) << UInt64(8 * index) }
    position += width
    return Number(truncatingIfNeeded: value)
  }

  /// The next byte.
  mutating func byte() throws -> Int { Int(try number(UInt8.self)) }

  /// The next two bytes.
  mutating func short() throws -> Int { Int(try number(UInt16.self)) }

  /// The next four bytes.
  mutating func word() throws -> Int { Int(try number(UInt32.self)) }

  /// The next eight bytes: a length, or another number that memory could count.
  mutating func length() throws -> Int {
    guard let length = Int(exactly: try number(UInt64.self)) else {
      throw HDF5Problem.damaged("\(name) has a number that is too large")
    }
    return length
  }

  /// The next eight bytes: a place in the file; nil for "nowhere".
  mutating func address() throws -> Int? {
    let value = try number(UInt64.self)
    if value == .max { return nil }
    guard let address = Int(exactly: value) else {
      throw HDF5Problem.damaged("\(name) points outside the file")
    }
    return address
  }

  /// The next eight bytes: a place in the file that must be somewhere.
  mutating func place() throws -> Int {
    guard let address = try address() else {
      throw HDF5Problem.damaged("\(name) points nowhere")
    }
    return address
  }

  /// The next `count` bytes, for a reader of their own.
  mutating func part(_ count: Int, _ name: String? = nil) throws -> HDF5Cursor {
    let start = position
    try skip(count)
    return HDF5Cursor(bytes, name ?? self.name, start..<position)
  }

  /// The next `count` bytes.
  mutating func take(_ count: Int) throws -> ArraySlice<UInt8> {
    let start = position
    try skip(count)
    return bytes[start..<position]
  }

  /// The next bytes up to a zero, which is passed over too.
  mutating func text() throws -> ArraySlice<UInt8> {
    guard let zero = bytes[position..<end].firstIndex(of: 0) else { throw tooShort }
    defer { position = zero + 1 }
    return bytes[position..<zero]
  }

  /// Passes over `count` bytes.
  mutating func skip(_ count: Int) throws {
    guard count >= 0, count <= remaining else { throw tooShort }
    position += count
  }

  /// Checks that the next bytes are the mark of a structure.
  mutating func expect(_ mark: String) throws {
    guard try take(mark.utf8.count).elementsEqual(mark.utf8) else {
      throw HDF5Problem.damaged("\(name) is not where it should be")
    }
  }

  /// Checks the last four bytes: the checksum of all bytes before them.
  mutating func checkAndDropChecksum() throws {
    guard remaining >= 4 else { throw tooShort }
    var tail = HDF5Cursor(bytes, name, end - 4..<end)
    guard try tail.number(UInt32.self) == HDF5Checksum.lookup3(bytes[position..<end - 4]) else {
      throw HDF5Problem.damaged("\(name) has another checksum")
    }
    self = HDF5Cursor(bytes, name, position..<end - 4)
  }

  private var tooShort: HDF5Problem { .damaged("\(name) ends early") }
}

/// `count` rounded up to a multiple of eight.
func paddedToEight(_ count: Int) -> Int { (count + 7) & ~7 }

extension Sequence where Element == Int {
  /// The product; nil where it does not fit or a factor is negative.
  func product() -> Int? {
    var product = 1
    for factor in self {
      let (next, overflow) = product.multipliedReportingOverflow(by: factor)
      guard factor >= 0, !overflow else { return nil }
      product = next
    }
    return product
  }
}
