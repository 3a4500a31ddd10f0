/// What the values of a data set or an attribute are.
enum HDF5Datatype {
  case number(HDF5Number)
  /// Of so many bytes each, padded with zeros, or with spaces.
  case fixedString(length: Int, hasSpaces: Bool)
  case variableString
  /// Something else, with its name.
  case other(String)

  /// Reads a datatype message.
  /// - Throws: `HDF5Problem` where it is damaged.
  init(_ message: HDF5Cursor) throws {
    var message = message
    let kind = try message.byte() & 0x0F
    let bits = try message.byte() | message.short() << 8
    let size = try message.word()
    switch kind {
    case 0, 1:
      let number = try HDF5Number(isFloat: kind == 1, bits: bits, size: size, &message)
      self = number.map(Self.number) ?? .other("numbers of an unusual form")
    case 3: self = .fixedString(length: size, hasSpaces: bits & 0x0F == 2)
    case 9: self = bits & 0x0F == 1 && size == 16 ? .variableString : .other("lists")
    default:
      let names = [
        2: "times", 4: "bit fields", 5: "opaque bytes", 6: "compounds", 7: "references",
        8: "enumerations", 10: "arrays",
      ]
      self = .other(names[kind] ?? "values of kind \(kind)")
    }
  }
}

/// A form of number, and how it becomes a 32-bit float.
struct HDF5Number: Equatable {
  enum Form { case float, signed, unsigned }

  let form: Form
  /// Bytes.
  let size: Int
  let isBigEndian: Bool

  /// Whether floats can be taken as they are.
  var isNative: Bool { form == .float && size == 4 && !isBigEndian }

  /// Reads what follows the size in a datatype message; nil for anything but IEEE's floats of 16,
  /// 32 and 64 bits and integers that fill 1, 2, 4 or 8 bytes.
  init?(isFloat: Bool, bits: Int, size: Int, _ message: inout HDF5Cursor) throws {
    self.size = size
    isBigEndian = bits & 1 != 0
    let (offset, precision) = (try message.short(), try message.short())
    guard offset == 0, precision == 8 * size else { return nil }
    guard isFloat else {
      form = bits & 8 != 0 ? .signed : .unsigned
      guard [1, 2, 4, 8].contains(size) else { return nil }
      return
    }
    form = .float
    let layout = try (0..<4).map { _ in try message.byte() } + [try message.word()]
    let known = [2: [10, 5, 0, 10, 15], 4: [23, 8, 0, 23, 127], 8: [52, 11, 0, 52, 1023]]
    // An implied first bit, no byte order of a VAX, and the sign in the highest bit.
    guard known[size] == layout, bits & 0x70 == 0x20, bits >> 8 & 0xFF == precision - 1 else {
      return nil
    }
  }

  /// The number at `place`.
  func float(_ bytes: [UInt8], at place: Int) -> Float {
    let word = word(bytes, at: place)
    switch (form, size) {
    case (.float, 2): return Float(Float16(bitPattern: UInt16(truncatingIfNeeded: word)))
    case (.float, 4): return Float(bitPattern: UInt32(truncatingIfNeeded: word))
    case (.float, _): return Float(Double(bitPattern: word))
    case (.signed, _): return Float(signed(word))
    case (.unsigned, _): return Float(word)
    }
  }

  /// The number at `place`, cut to an integer; nil for what is no number.
  func integer(_ bytes: [UInt8], at place: Int) -> Int? {
    let word = word(bytes, at: place)
    switch form {
    case .signed: return Int(signed(word))
    case .unsigned: return Int(clamping: word)
    case .float:
      let value = size == 8 ? Double(bitPattern: word) : Double(float(bytes, at: place))
      if value.isNaN { return nil }
      return Int(exactly: value.rounded(.towardZero)) ?? (value < 0 ? .min : .max)
    }
  }

  private func word(_ bytes: [UInt8], at place: Int) -> UInt64 {
    var word: UInt64 = 0
    for index in 0..<size {
      word |= UInt64(bytes[place + index]) << UInt64(8 * (isBigEndian ? size - 1 - index : index))
    }
    return word
  }

  private func signed(_ word: UInt64) -> Int64 {
    let unused = UInt64(64 - 8 * size)
    return Int64(bitPattern: word << unused) >> Int64(unused)
  }
}
