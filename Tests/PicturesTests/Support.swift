import Engine
import Foundation
import Pictures
import Primitives
import Testing

/// A folder that is gone with the value.
final class TemporaryFolder {
  let path: String

  init() throws {
    let url = FileManager.default.temporaryDirectory
      .appendingPathComponent("dogsled-pictures-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    path = url.path
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func write(_ name: String, _ bytes: [UInt8]) throws {
    let url = URL(fileURLWithPath: path).appendingPathComponent(name)
    try FileManager.default.createDirectory(
      at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
    try Data(bytes).write(to: url)
  }

  func read(_ name: String) throws -> [UInt8] {
    [UInt8](try Data(contentsOf: URL(fileURLWithPath: "\(path)/\(name)")))
  }

  func names(_ name: String = "") throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: "\(path)/\(name)").sorted()
  }
}

/// Bytes that every value occurs in; the same as in the Python that made the expectations.
func pattern(height: Int, width: Int) throws -> DecodedPicture {
  try DecodedPicture(height: height, width: width) { out in
    for i in 0..<out.count { out[i] = UInt8((i * i * 7 + i * 31) / 5 % 256) }
  }
}

/// A smooth picture that depends on `number`, as a JPEG can hold it.
func smooth(_ number: Int, height: Int = 40, width: Int = 60) throws -> DecodedPicture {
  try DecodedPicture(height: height, width: width) { out in
    for row in 0..<height {
      for column in 0..<width {
        let at = (row * width + column) * 3
        out[at] = UInt8((row * 3 + number * 16) % 256)
        out[at + 1] = UInt8(column * 4 % 256)
        out[at + 2] = UInt8((row + column) * 2 % 256)
      }
    }
  }
}

func jpeg(_ number: Int = 0) throws -> [UInt8] {
  try JPEG.encode(smooth(number), quality: 90)
}

func decode(
  _ bytes: [UInt8], least: (height: Int, width: Int)? = nil
) throws(PictureError) -> DecodedPicture {
  try bytes.withUnsafeBytes { bytes in
    Result { () throws(PictureError) in try JPEG.decode(bytes, least: least) { $0 } }
  }.get()
}

/// The picture that the file at `path` holds, in its own size.
func decode(path: String) throws -> DecodedPicture {
  try decode([UInt8](Data(contentsOf: URL(fileURLWithPath: path))))
}

extension PictureStore {
  func readFiles() throws(WrongFile) {
    startReading()
    try finishReading()
  }
}

extension DecodedPicture {
  /// The pixels.
  var array: [UInt8] { Array(UnsafeBufferPointer(start: bytes, count: count)) }
}

func digest(_ bytes: [UInt8]) -> String { bytes.withUnsafeBytes { "\(Digest(of: $0))" } }

/// The pictures that are kept beside the repository, or where `DOGSLED_SHARED` says.
enum Shared {
  /// Photographs of cats and dogs; nil where there are none.
  static let pets = folder("pets")
  /// Files that decoders stumble over; nil where there are none.
  static let odd = folder("odd")
  /// Why tests are skipped where there are none.
  static let needs: Comment = "no pictures beside the repository; DOGSLED_SHARED names their place"

  private static func folder(_ name: String) -> String? {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    let place =
      ProcessInfo.processInfo.environment["DOGSLED_SHARED"]
      ?? root.appendingPathComponent("shared").path
    let folder = "\(place)/\(name)"
    return FileManager.default.fileExists(atPath: folder) ? folder : nil
  }
}
