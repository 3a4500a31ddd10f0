// Text to JSON. Unlike Foundation's decoder it refuses an object that has a key twice (which of the
// two counts is anybody's guess), and it takes a time that grows with the text alone.

extension JSON {
  /// What a text is that describes a model: Keras's largest take some hundred kilobytes.
  static let bytesMax = 16 << 20

  /// - Parameter name: what `text` is, as the error names it.
  /// - Throws: `KerasConfigurationError` where `text` is no JSON, with the byte where it goes
  ///   wrong.
  package init(parsing text: String, as name: String) throws {
    let count = text.utf8.count
    guard count <= Self.bytesMax else {
      throw KerasConfigurationError(
        "\(name) has \(count) bytes: more than the \(Self.bytesMax) of any model's")
    }
    do {
      self = try Array(text.utf8).withUnsafeBufferPointer { bytes in
        var parser = JSONParser(bytes: bytes)
        return try parser.document()
      }
    } catch let error as JSONParser.Problem {
      throw KerasConfigurationError("\(name) is no JSON: \(error.what) at byte \(error.place)")
    }
  }
}

/// Reads one text from its first byte to its last.
private struct JSONParser {
  struct Problem: Error {
    let what: String
    let place: Int
  }

  /// Arrays and objects within each other; Keras's go some ten deep.
  private static let depthMax = 100

  let bytes: UnsafeBufferPointer<UInt8>
  private var place = 0
  private var depth = 0

  init(bytes: UnsafeBufferPointer<UInt8>) { self.bytes = bytes }

  mutating func document() throws -> JSON {
    let value = try value()
    skipSpace()
    guard place == bytes.count else { throw problem("something behind its end") }
    return value
  }

  private mutating func value() throws -> JSON {
    skipSpace()
    guard let next else { throw problem("an unexpected end") }
    switch next {
    case UInt8(ascii: "{"): return try nested { try $0.object() }
    case UInt8(ascii: "["): return try nested { try $0.array() }
    case UInt8(ascii: "\""): return .string(try string())
    case UInt8(ascii: "t"): return try word("true", .bool(true))
    case UInt8(ascii: "f"): return try word("false", .bool(false))
    case UInt8(ascii: "n"): return try word("null", .null)
    case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return try number()
    default: throw problem("an unexpected character")
    }
  }

  private mutating func nested(_ body: (inout JSONParser) throws -> JSON) throws -> JSON {
    guard depth < Self.depthMax else {
      throw problem("more than \(Self.depthMax) arrays and objects within each other")
    }
    depth += 1
    place += 1
    let value = try body(&self)
    depth -= 1
    return value
  }

  private mutating func object() throws -> JSON {
    var members: [String: JSON] = [:]
    if takes("}") { return .object(members) }
    repeat {
      skipSpace()
      guard next == UInt8(ascii: "\"") else { throw problem("a key that is no text") }
      let key = try string()
      guard takes(":") else { throw problem("a key without a value") }
      guard members.updateValue(try value(), forKey: key) == nil else {
        throw problem("the key \(JSON.string(key).shown) for the second time")
      }
    } while takes(",")
    guard takes("}") else { throw problem("an object that does not end") }
    return .object(members)
  }

  private mutating func array() throws -> JSON {
    var elements: [JSON] = []
    if takes("]") { return .array(elements) }
    repeat { elements.append(try value()) } while takes(",")
    guard takes("]") else { throw problem("an array that does not end") }
    return .array(elements)
  }

  private mutating func string() throws -> String {
    place += 1
    var text: [UInt8] = []
    while let byte = next {
      place += 1
      switch byte {
      case UInt8(ascii: "\""): return String(decoding: text, as: UTF8.self)
      case UInt8(ascii: "\\"): text += String(try escaped()).utf8
      case 0..<0x20: throw problem("a control character in a text")
      default: text.append(byte)
      }
    }
    throw problem("a text that does not end")
  }

  /// The character behind a backslash.
  private mutating func escaped() throws -> Character {
    guard let byte = next else { throw problem("a text that does not end") }
    place += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"):
      return Character(Unicode.Scalar(byte))
    case UInt8(ascii: "b"): return "\u{8}"
    case UInt8(ascii: "f"): return "\u{C}"
    case UInt8(ascii: "n"): return "\n"
    case UInt8(ascii: "r"): return "\r"
    case UInt8(ascii: "t"): return "\t"
    case UInt8(ascii: "u"):
      var code = try hexadecimal()
      // Beyond 16 bits a character is two of these.
      if code & 0xFC00 == 0xD800, next == UInt8(ascii: "\\"), place + 1 < bytes.count,
        bytes[place + 1] == UInt8(ascii: "u")
      {
        place += 2
        let low = try hexadecimal()
        guard low & 0xFC00 == 0xDC00 else { throw problem("half a character") }
        code = 0x10000 + (code & 0x3FF) << 10 + low & 0x3FF
      }
      guard let scalar = Unicode.Scalar(code) else { throw problem("half a character") }
      return Character(scalar)
    default: throw problem("a backslash before something unknown")
    }
  }

  private mutating func hexadecimal() throws -> UInt32 {
    var code: UInt32 = 0
    for _ in 0..<4 {
      guard let byte = next, let digit = Character(Unicode.Scalar(byte)).hexDigitValue else {
        throw problem("an escape without four digits")
      }
      code = code << 4 | UInt32(digit)
      place += 1
    }
    return code
  }

  private mutating func number() throws -> JSON {
    let start = place
    if next == UInt8(ascii: "-") { place += 1 }
    let leading = next
    let whole = skipDigits()
    guard whole > 0, whole == 1 || leading != UInt8(ascii: "0") else { throw problem("no number") }
    var isInteger = true
    if next == UInt8(ascii: ".") {
      isInteger = false
      place += 1
      guard skipDigits() > 0 else { throw problem("no number") }
    }
    if next == UInt8(ascii: "e") || next == UInt8(ascii: "E") {
      isInteger = false
      place += 1
      if next == UInt8(ascii: "+") || next == UInt8(ascii: "-") { place += 1 }
      guard skipDigits() > 0 else { throw problem("no number") }
    }
    let text = String(decoding: bytes[start..<place], as: UTF8.self)
    if isInteger, let integer = Int(text) { return .integer(integer) }
    guard let number = Double(text), number.isFinite else {
      throw problem("a number beyond what can be computed with")
    }
    return .number(number)
  }

  private mutating func skipDigits() -> Int {
    let start = place
    while let byte = next, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) { place += 1 }
    return place - start
  }

  private mutating func word(_ word: StaticString, _ value: JSON) throws -> JSON {
    let length = word.utf8CodeUnitCount
    guard bytes.count - place >= length,
      (0..<length).allSatisfy({ bytes[place + $0] == word.utf8Start[$0] })
    else { throw problem("an unexpected character") }
    place += length
    return value
  }

  /// Takes `mark` where it is next behind spaces.
  private mutating func takes(_ mark: Unicode.Scalar) -> Bool {
    skipSpace()
    guard next == UInt8(ascii: mark) else { return false }
    place += 1
    return true
  }

  private mutating func skipSpace() {
    while let byte = next, [0x20, 0x0A, 0x0D, 0x09].contains(byte) { place += 1 }
  }

  private var next: UInt8? { place < bytes.count ? bytes[place] : nil }

  private func problem(_ what: String) -> Problem { Problem(what: what, place: place) }
}
