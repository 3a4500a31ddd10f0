/// The names of files as text: a name is bytes, and need not be UTF-8.
///
/// In the text of a name, a byte that belongs to no UTF-8 character is one of the private
/// characters U+EF80 to U+EFFF, which is U+EF00 and the byte. The bytes of a name that has such a
/// character itself are written in the same way, so that names and their texts correspond one to
/// one. All that opens files in this module turns texts back into names.
public enum FileName {
  private static let standIns: ClosedRange<UInt32> = 0xEF80...0xEFFF

  /// The text of the name or path that `bytes` are.
  public static func text(_ bytes: some Sequence<UInt8>) -> String {
    let bytes = Array(bytes)
    var text = String.UnicodeScalarView()
    var parser = Unicode.UTF8.ForwardParser()
    var rest = bytes.makeIterator()
    var place = 0
    while true {
      let count: Int
      switch parser.parseScalar(from: &rest) {
      case .emptyInput: return String(text)
      case .valid(let encoded):
        count = encoded.count
        let scalar = Unicode.UTF8.decode(encoded)
        if !standIns.contains(scalar.value) {
          text.append(scalar)
          place += count
          continue
        }
      case .error(let length): count = length
      }
      for byte in bytes[place..<place + count] {
        if let standIn = Unicode.Scalar(0xEF00 + UInt32(byte)) { text.append(standIn) }
      }
      place += count
    }
  }

  /// The bytes of the name or path whose text is `text`.
  package static func bytes(_ text: String) -> [UInt8] {
    guard !isUTF8(text) else { return Array(text.utf8) }
    return text.unicodeScalars.flatMap { scalar in
      standIns.contains(scalar.value)
        ? [UInt8(truncatingIfNeeded: scalar.value)] : Array(UTF8.encode(scalar) ?? .init())
    }
  }

  /// Whether the name whose text is `text` is UTF-8, as every program can take it.
  public static func isUTF8(_ text: String) -> Bool {
    !text.unicodeScalars.contains { standIns.contains($0.value) }
  }

  /// Whether the name can be written into a line as it is: it is UTF-8, and nothing in it ends a
  /// line, moves a terminal's cursor or changes the direction of writing.
  public static func isPrintable(_ text: String) -> Bool {
    !text.unicodeScalars.contains(where: isUnprintable)
  }

  /// `text` for a line of a log or a table: a line end is `\n`, a tab `\t`, a byte that is no
  /// UTF-8 `\xE9`, another unprintable character `\u{85}`.
  /// - Parameter doublingBackslashes: so that two names never look the same; not for a text that
  ///   has been through here before.
  public static func shown(_ text: String, doublingBackslashes: Bool = true) -> String {
    guard !isPrintable(text) || text.unicodeScalars.contains("\\") else { return text }
    return text.unicodeScalars.map { scalar in
      switch scalar {
      case "\\": return doublingBackslashes ? "\\\\" : "\\"
      case "\n": return "\\n"
      case "\r": return "\\r"
      case "\t": return "\\t"
      case _ where standIns.contains(scalar.value):
        return "\\x" + String(scalar.value & 0xFF, radix: 16, uppercase: true)
      case _ where isUnprintable(scalar):
        return "\\u{\(String(scalar.value, radix: 16, uppercase: true))}"
      default: return String(scalar)
      }
    }.joined()
  }

  private static func isUnprintable(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.properties.generalCategory {
    case .control, .lineSeparator, .paragraphSeparator: return true
    default: break
    }
    switch scalar.value {
    case standIns, 0x202A...0x202E, 0x2066...0x2069: return true
    default: return false
    }
  }

  /// Calls `body` with the path whose text is `text`, as the system takes it.
  static func withPath<Result>(
    _ text: String, _ body: (UnsafePointer<CChar>) -> Result
  ) -> Result {
    guard !isUTF8(text) else { return text.withCString(body) }
    return (bytes(text) + [0]).map(CChar.init(bitPattern:)).withUnsafeBufferPointer {
      body($0.baseAddress!)
    }
  }
}
