/// A data set of numbers: its shape, and its numbers as 32-bit floats.
struct HDF5DataSet {
  /// Where the numbers are.
  private enum Layout {
    /// In the object's header.
    case compact(ArraySlice<UInt8>)
    /// In one piece of the file; nil where they were never written.
    case contiguous(Int?)
    case chunked(HDF5Chunks)
  }

  /// Empty for a single number.
  let shape: [Int]
  private let count: Int
  private let number: HDF5Number
  private let layout: Layout
  private let file: HDF5File

  /// Reads what the header of `object` says.
  /// - Throws: `HDF5Problem` where it is damaged, no array of numbers, too large for its file, or
  ///   of a kind that Keras does not write.
  init(_ object: HDF5Object, in file: HDF5File) throws {
    self.file = file
    guard !object.has(.externalFiles) else {
      throw HDF5Problem.refused("numbers in another file (external storage)")
    }
    guard let type = try object.body(.datatype), let space = try object.body(.dataspace),
      let layout = try object.body(.layout)
    else { throw HDF5Problem.damaged("a data set has no type, shape or place") }
    switch try HDF5Datatype(type) {
    case .number(let number): self.number = number
    case .fixedString, .variableString: throw HDF5Problem(what: "holds no numbers, but strings")
    case .other(let name): throw HDF5Problem(what: "holds no numbers, but \(name)")
    }
    let dataspace = try HDF5Dataspace(space)
    guard let shape = dataspace.shape else { throw HDF5Problem(what: "holds no numbers") }
    (self.shape, count) = (shape, dataspace.count)
    guard file.justifies(bytes: max(4, number.size) * count) else {
      throw HDF5Problem.damaged(
        "it claims \(count) numbers, and the file has \(file.source.size) bytes")
    }
    self.layout = try Self.layout(
      layout, number: number, shape: shape, count: count,
      filters: try object.body(.filters).map { try HDF5Filters($0) } ?? HDF5Filters())
  }

  private static func layout(
    _ message: HDF5Cursor, number: HDF5Number, shape: [Int], count: Int, filters: HDF5Filters
  ) throws -> Layout {
    var message = message
    let version = try message.byte()
    guard version == 3 || version == 4 else {
      throw HDF5Problem.refused("a data layout of version \(version)")
    }
    switch try message.byte() {
    case 0:
      let bytes = try message.take(try message.short())
      guard bytes.count >= count * number.size else {
        throw HDF5Problem.damaged("it has fewer numbers than its shape")
      }
      return .compact(bytes)
    case 1:
      let (address, length) = (try message.address(), try message.length())
      guard address == nil || length >= count * number.size else {
        throw HDF5Problem.damaged("it has fewer numbers than its shape")
      }
      return .contiguous(address)
    case 2:
      guard version == 3 else {
        throw HDF5Problem.refused("chunks with an index of HDF5 1.10 (h5py's libver=\"latest\")")
      }
      return .chunked(try HDF5Chunks(message, shape: shape, number: number, filters: filters))
    case 3: throw HDF5Problem.refused("a virtual data set")
    case let kind: throw HDF5Problem.refused("a data layout of kind \(kind)")
    }
  }

  /// Fills `floats`, which must have room for exactly the shape.
  /// - Throws: `HDF5Problem`.
  func read(into floats: UnsafeMutableBufferPointer<Float>) throws {
    guard floats.count == count else { throw HDF5Problem(what: "has another size") }
    if count == 0 { return }
    switch layout {
    case .compact(let bytes): number.convert(Array(bytes), count, into: floats, at: 0)
    case .chunked(let chunks): try chunks.read(file, into: floats)
    case .contiguous(nil): throw HDF5Problem(what: "holds no numbers: they were never written")
    case .contiguous(let address?):
      try file.checkNumbers(at: address, count: count * number.size)
      if number.isNative {
        return try file.source.read(at: address, into: UnsafeMutableRawBufferPointer(floats))
      }
      let most = 1 << 16
      for first in stride(from: 0, to: count, by: most) {
        let part = min(most, count - first)
        let bytes = try file.numbers(
          at: address + first * number.size, count: part * number.size)
        number.convert(bytes, part, into: floats, at: first)
      }
    }
  }

  /// The one number, cut to an integer.
  /// - Throws: `HDF5Problem` where it is none, or more than one.
  func integer() throws -> Int {
    guard count == 1 else {
      throw HDF5Problem(what: "has the shape \(shape), not that of one number")
    }
    var value: Int?
    switch layout {
    case .compact(let bytes): value = number.integer(Array(bytes), at: 0)
    case .contiguous(let address?):
      value = number.integer(try file.numbers(at: address, count: number.size), at: 0)
    case .contiguous(nil), .chunked:
      throw HDF5Problem(what: "is not stored as one number")
    }
    guard let value else { throw HDF5Problem(what: "is not a number") }
    return value
  }
}

extension HDF5Number {
  /// The first `count` numbers of `bytes` as floats, from `floats[start]` on.
  func convert(
    _ bytes: [UInt8], from first: Int = 0, _ count: Int,
    into floats: UnsafeMutableBufferPointer<Float>, at start: Int
  ) {
    let target = UnsafeMutableBufferPointer(rebasing: floats[start..<start + count])
    let source = bytes[first..<first + count * size]
    if isNative {
      UnsafeMutableRawBufferPointer(target).copyBytes(from: source)
    } else {
      for index in 0..<count {
        target[index] = float(bytes, at: first + index * size)
      }
    }
  }
}
