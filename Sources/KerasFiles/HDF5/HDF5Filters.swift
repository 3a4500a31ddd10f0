// What was done to a chunk before it was stored: shuffled, deflated, given a checksum.

import CZlib

/// The filters of a data set, in the order in which they were applied.
struct HDF5Filters {
  private enum Filter: Int {
    case deflate = 1
    case shuffle = 2
    case fletcher32 = 3
  }
  private let filters: [Filter]

  /// None.
  init() { filters = [] }

  /// Reads a filter pipeline message.
  /// - Throws: `HDF5Problem` where it is damaged, or has another filter than Keras and h5py use.
  init(_ message: HDF5Cursor) throws {
    var message = message
    let version = try message.byte()
    guard version == 1 || version == 2 else {
      throw HDF5Problem.refused("a filter pipeline of version \(version)")
    }
    let count = try message.byte()
    if version == 1 { try message.skip(6) }
    var filters: [Filter] = []
    for _ in 0..<count {
      let number = try message.short()
      let nameLength = version == 1 || number >= 256 ? try message.short() : 0
      try message.skip(2)
      let values = try message.short()
      let name = String(decoding: try message.take(nameLength).prefix { $0 != 0 }, as: UTF8.self)
      try message.skip(4 * (version == 1 ? (values + 1) / 2 * 2 : values))
      guard let filter = Filter(rawValue: number), !filters.contains(filter) else {
        throw HDF5Problem.refused("the filter \(number) \(name.oneLine)")
      }
      filters.append(filter)
    }
    self.filters = filters
  }

  /// A chunk as it was before the filters.
  /// - Parameters:
  ///   - skipped: a bit for each filter that was not applied to this chunk.
  ///   - count: its bytes; more do not come out.
  ///   - size: the bytes of a number.
  /// - Throws: `HDF5Problem` where it is damaged.
  func undo(_ stored: [UInt8], skipped: Int, count: Int, size: Int) throws -> [UInt8] {
    var bytes = stored
    for (index, filter) in filters.enumerated().reversed() where skipped >> index & 1 == 0 {
      switch filter {
      case .deflate: bytes = try Self.inflated(bytes, atMost: count + 4)
      case .shuffle: bytes = Self.unshuffled(bytes, size: size)
      case .fletcher32: bytes = try Self.checked(bytes)
      }
    }
    guard bytes.count == count else { throw HDF5Problem.damaged("a chunk has another size") }
    return bytes
  }

  private static func inflated(_ bytes: [UInt8], atMost most: Int) throws -> [UInt8] {
    try [UInt8](unsafeUninitializedCapacity: most) { memory, initialized in
      var count = uLongf(most)
      guard uncompress(memory.baseAddress, &count, bytes, uLong(bytes.count)) == Z_OK else {
        throw HDF5Problem.damaged("a chunk cannot be inflated")
      }
      initialized = Int(count)
    }
  }

  /// First bytes of all numbers, then all second bytes, and so on, back in their order; what is
  /// left over stays at the end.
  private static func unshuffled(_ bytes: [UInt8], size: Int) -> [UInt8] {
    let count = bytes.count / size
    guard size > 1, count > 1 else { return bytes }
    var result = bytes
    for place in 0..<size {
      for index in 0..<count { result[index * size + place] = bytes[place * count + index] }
    }
    return result
  }

  private static func checked(_ bytes: [UInt8]) throws -> [UInt8] {
    guard bytes.count >= 4 else { throw HDF5Problem.damaged("a chunk ends early") }
    var sum = HDF5Cursor(Array(bytes.suffix(4)), "a chunk")
    guard try sum.number() == HDF5Checksum.fletcher32(bytes.dropLast(4)) else {
      throw HDF5Problem.damaged("a chunk has another checksum")
    }
    return Array(bytes.dropLast(4))
  }
}
