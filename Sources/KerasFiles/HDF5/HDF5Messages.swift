/// The messages of headers that we write, each with its head.
enum HDF5Messages {
  /// The forms of number that we write, all little-endian.
  enum Number {
    case float32, int64, uint8, float64

    var size: Int {
      switch self {
      case .float32: 4
      case .int64, .float64: 8
      case .uint8: 1
      }
    }

    func bytes(of shape: [Int]) -> Int? { (shape + [size]).product() }

    /// The type as a message has it.
    var description: HDF5Bytes {
      let (bits, properties): ([UInt8], [(value: Int, width: Int)]) =
        switch self {
        case .float32:
          (
            [0x11, 0x20, 31, 0],
            [(0, 2), (32, 2), (23, 1), (8, 1), (0, 1), (23, 1), (127, 4)]
          )
        case .float64:
          (
            [0x11, 0x20, 63, 0],
            [(0, 2), (64, 2), (52, 1), (11, 1), (0, 1), (52, 1), (1023, 4)]
          )
        case .int64: ([0x10, 0x08, 0, 0], [(0, 2), (64, 2)])
        case .uint8: ([0x10, 0, 0, 0], [(0, 2), (8, 2)])
        }
      var description = HDF5Bytes(bits)
      description.append(size, width: 4)
      for property in properties { description.append(property.value, width: property.width) }
      return description
    }
  }

  /// A header of version 1 in one piece, with `messages`.
  static func header(_ messages: [HDF5Bytes]) -> HDF5Bytes {
    var header = HDF5Bytes([1, 0])
    header.append(messages.count, width: 2)
    header.append(1, width: 4)
    header.append(messages.reduce(0) { $0 + $1.count }, width: 4)
    header.append(0, width: 4)
    for message in messages { header.append(message) }
    return header
  }

  /// - Parameter flags: 1 for what never changes.
  private static func message(
    _ kind: HDF5Message.Kind, flags: Int = 0, _ body: HDF5Bytes
  ) -> HDF5Bytes {
    message(kind.rawValue, flags: flags, body)
  }

  private static func message(_ kind: Int, flags: Int, _ body: HDF5Bytes) -> HDF5Bytes {
    var message = HDF5Bytes()
    message.append(kind, width: 2)
    message.append(paddedToEight(body.count), width: 2)
    message.append(flags, width: 4)
    message.append(body)
    message.pad(to: paddedToEight(message.count))
    return message
  }

  static func dataspace(_ shape: [Int]) -> HDF5Bytes { message(.dataspace, extent(shape)) }

  private static func extent(_ shape: [Int]) -> HDF5Bytes {
    var extent = HDF5Bytes([1, UInt8(shape.count), 0, 0, 0, 0, 0, 0])
    for size in shape { extent.append(size, width: 8) }
    return extent
  }

  static func datatype(_ number: Number) -> HDF5Bytes {
    message(.datatype, flags: 1, number.description)
  }

  /// Memory for numbers that were never written would be zero.
  static var noFillValue: HDF5Bytes {
    message(0x05, flags: 1, HDF5Bytes([2, 2, 2, 1, 0, 0, 0, 0]))
  }

  static func contiguous(at address: Int?, count: Int) -> HDF5Bytes {
    var body = HDF5Bytes([3, 1])
    body.append(address: address)
    body.append(count, width: 8)
    return message(.layout, body)
  }

  static func symbolTable(tree: Int, heap: Int) -> HDF5Bytes {
    var body = HDF5Bytes()
    body.append(address: tree)
    body.append(address: heap)
    return message(.symbolTable, body)
  }

  /// The most bytes of an attribute, as Keras has it: a message takes no more.
  static let mostInAttribute = 64_512

  /// Strings of fixed length padded with zeros: the form that every version of Keras reads, and
  /// for an empty list an empty array of floats, as Keras writes it.
  /// - Returns: nil where they are more than a message may have.
  static func attribute(_ name: String, shape: [Int], _ strings: [String]) -> HDF5Bytes? {
    let length = max(1, strings.map(\.utf8.count).max() ?? 1)
    guard length <= mostInAttribute, length * strings.count <= mostInAttribute else { return nil }
    var type = HDF5Bytes([0x13, 1, 0, 0])
    type.append(length, width: 4)
    if strings.isEmpty { type = Number.float64.description }
    var values = HDF5Bytes()
    for string in strings {
      let end = values.count + length
      values.append(string.utf8)
      values.pad(to: end)
    }
    return attribute(name, type, shape, values)
  }

  /// One string of any length, which is in the global heap.
  /// - Parameter heap: the address of the collection that has it alone.
  static func attribute(_ name: String, inHeap heap: Int, count: Int) -> HDF5Bytes? {
    var type = HDF5Bytes([0x19, 1, 1, 0])
    type.append(16, width: 4)
    type.append(Number.uint8.description)
    var value = HDF5Bytes()
    value.append(count, width: 4)
    value.append(address: heap)
    value.append(1, width: 4)
    return attribute(name, type, [], value)
  }

  /// - Returns: nil where its name is too long.
  private static func attribute(
    _ name: String, _ type: HDF5Bytes, _ shape: [Int], _ values: HDF5Bytes
  ) -> HDF5Bytes? {
    guard name.utf8.count < 512 else { return nil }
    let parts = [HDF5Bytes(Array(name.utf8) + [0]), type, extent(shape)]
    var body = HDF5Bytes([1, 0])
    for part in parts { body.append(part.count, width: 2) }
    for part in parts {
      body.append(part)
      body.pad(to: paddedToEight(body.count))
    }
    body.append(values)
    return message(.attribute, body)
  }
}
