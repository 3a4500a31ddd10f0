// A file of HDF5 made in memory: superblock 0, old groups, contiguous data sets, fixed strings, as
// h5py writes them for Keras. Numbers go straight to their place in the file; what says where they
// are follows them, the root last.

import Foundation

/// Makes files of HDF5.
package enum HDF5 {
  /// The bytes of a file that `body` fills.
  /// - Parameters:
  ///   - path: the file that the bytes are for, named in errors.
  ///   - numbers: about how many bytes of numbers it will have.
  ///   - tail: how many bytes will be added behind the file. They count as its own, so that it is
  ///     cut short without them.
  /// - Throws: `HDF5Error` for what HDF5 cannot hold, and what `body` throws.
  package static func image(
    for path: String, numbers: Int = 0, tail: Int = 0, _ body: (HDF5NewGroup) throws -> Void
  ) throws -> Data {
    let image = HDF5Image(path: path, numbers: numbers)
    let root = HDF5NewGroup(in: image, name: "")
    try body(root)
    return image.finished(root: root.finish(), tail: tail)
  }
}

/// The bytes of a file that is being made.
final class HDF5Image {
  private static let superblockLength = 96

  let path: String
  private var bytes: Data

  init(path: String, numbers: Int) {
    self.path = path
    // Groups and attributes take a few hundred bytes each.
    bytes = Data(capacity: numbers + 1 << 17)
    bytes.append(Data(count: Self.superblockLength))
  }

  /// Appends `piece`, on a multiple of eight.
  /// - Returns: its address.
  func append(_ piece: UnsafeRawBufferPointer) -> Int {
    let address = bytes.count
    bytes.append(contentsOf: piece)
    bytes.append(Data(count: paddedToEight(bytes.count) - bytes.count))
    return address
  }

  /// Appends `piece`, on a multiple of eight.
  /// - Returns: its address.
  func append(_ piece: HDF5Bytes) -> Int { piece.bytes.withUnsafeBytes(append) }

  /// Where the next piece will be.
  var end: Int { bytes.count }

  /// Takes the bytes out of here, with the superblock in its place.
  func finished(root: HDF5NewGroup.Place, tail: Int) -> Data {
    var superblock = HDF5Bytes(HDF5File.signature)
    // Versions of everything, and addresses and lengths of eight bytes.
    superblock.append([0, 0, 0, 0, 0, 8, 8, 0])
    superblock.append(HDF5SymbolTable.linksInLeaf / 2, width: 2)
    superblock.append(HDF5SymbolTable.childrenInNode / 2, width: 2)
    superblock.append(0, width: 4)
    for address in [0, nil, bytes.count + tail, nil] { superblock.append(address: address) }
    superblock.append(HDF5SymbolTable.entry(name: 0, .group(root)))
    bytes.replaceSubrange(0..<Self.superblockLength, with: superblock.bytes)
    defer { bytes = Data() }
    return bytes
  }
}

/// Bytes of a structure that is being made.
struct HDF5Bytes {
  private(set) var bytes: [UInt8]

  init(_ bytes: [UInt8] = []) { self.bytes = bytes }

  var count: Int { bytes.count }

  mutating func append(_ more: some Sequence<UInt8>) { bytes += more }
  mutating func append(_ more: HDF5Bytes) { bytes += more.bytes }

  /// A number that is not negative, in so many bytes.
  mutating func append(_ number: Int, width: Int) {
    for index in 0..<width { bytes.append(UInt8(truncatingIfNeeded: number >> (8 * index))) }
  }

  /// A place in the file; nil for "nowhere".
  mutating func append(address: Int?) { append(address ?? -1, width: 8) }

  /// Zeros up to `count` bytes.
  mutating func pad(to count: Int) {
    bytes += [UInt8](repeating: 0, count: max(0, count - bytes.count))
  }
}
