import Foundation

/// What a file is, by its first bytes.
enum PictureFormat: Equatable {
  case jpeg
  /// Another format of pictures, `a PNG`.
  case other(String)

  /// How many bytes tell one format from another.
  static let headBytes = 64

  /// What the file with these first bytes is; nil for what is no picture.
  init?(_ head: UnsafeRawBufferPointer) {
    if head.starts(with: [0xFF, 0xD8, 0xFF]) {
      self = .jpeg
    } else if let name = Self.name(head) {
      self = .other(name)
    } else {
      return nil
    }
  }

  /// What data that are no JPEG are instead, and what to do.
  static func complaint(_ data: UnsafeRawBufferPointer) -> String {
    if data.isEmpty { return "empty: 0 bytes" }
    if let name = name(data) {
      return "\(name) file, not a JPEG: convert it to JPEG or take it out"
    }
    if data.starts(with: [UInt8(ascii: "<")]) {
      return "a text file, not a JPEG: take it out"
    }
    return "not a JPEG: it does not start with FF D8"
  }

  /// Whether the file name `name` promises a picture: then it is listed whatever it holds, so that
  /// a damaged one is reported and not passed over.
  static func isPromised(by name: String) -> Bool {
    guard let dot = name.utf8.lastIndex(of: UInt8(ascii: ".")) else { return false }
    return endings.contains(name[dot...].dropFirst().lowercased())
  }

  private static let endings: Set<String> = [
    "jpg", "jpeg", "jpe", "jfif", "png", "gif", "bmp", "webp", "tif", "tiff", "heic", "heif",
    "avif", "jxl", "jp2", "jpx", "j2k",
  ]

  private static let starts: [(start: [UInt8], name: String)] = [
    (Array("GIF8".utf8), "a GIF"), ([0x89] + Array("PNG".utf8), "a PNG"),
    (Array("II*\0".utf8), "a TIFF"), (Array("MM\0*".utf8), "a TIFF"),
    (Array("II+\0".utf8), "a TIFF"), (Array("MM\0+".utf8), "a TIFF"),
    (Array("II".utf8) + [0xBC, 1], "a JPEG XR"),
    ([0xFF, 0x0A], "a JPEG XL"), ([0, 0, 0, 12] + Array("JXL ".utf8), "a JPEG XL"),
    ([0, 0, 0, 12] + Array("jP  ".utf8), "a JPEG 2000"), ([0xFF, 0x4F, 0xFF, 0x51], "a JPEG 2000"),
    (Array("8BPS".utf8), "a Photoshop"), (Array("qoif".utf8), "a QOI"),
    (Array("FUJIFILMCCD-RAW".utf8), "a camera raw"), (Array("IIRO".utf8), "a camera raw"),
    (Array("IIRS".utf8), "a camera raw"), (Array("IIU\0".utf8), "a camera raw"),
  ]

  /// The brands of ISO's container, bytes 8 to 11, that are pictures and no films.
  private static let brands: [(start: String, name: String)] = [
    ("avi", "an AVIF"), ("hei", "a HEIC"), ("hev", "a HEIC"), ("mif1", "a HEIC"),
    ("msf1", "a HEIC"), ("crx", "a camera raw"),
  ]

  private static func name(_ head: UnsafeRawBufferPointer) -> String? {
    if let found = starts.first(where: { head.starts(with: $0.start) }) { return found.name }
    func has(_ text: String, at place: Int) -> Bool {
      head.dropFirst(place).starts(with: text.utf8)
    }
    if has("RIFF", at: 0), has("WEBP", at: 8) { return "a WebP" }
    if has("ftyp", at: 4) { return brands.first { has($0.start, at: 8) }?.name }
    // Two letters are too little: a BMP has four zeros and a header of a known size too.
    if has("BM", at: 0), head.count > 17, head[6..<10].allSatisfy({ $0 == 0 }), head[14] >= 12,
      head[15] == 0
    {
      return "a BMP"
    }
    let text = String(decoding: head.prefix(headBytes), as: UTF8.self)
    return text.hasPrefix("<svg") || text.contains("<svg ") ? "an SVG" : nil
  }
}
