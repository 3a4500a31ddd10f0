/// An attribute of an object: we read those that are strings.
struct HDF5Attribute {
  let name: [UInt8]
  private let type: HDF5Cursor
  private let space: HDF5Cursor
  private let data: HDF5Cursor
  private let isShared: Bool

  /// Reads an attribute message, but not yet its value.
  /// - Throws: `HDF5Problem`.
  init(_ message: HDF5Cursor) throws {
    var message = message
    let version = try message.byte()
    guard (1...3).contains(version) else {
      throw HDF5Problem.refused("an attribute of version \(version)")
    }
    let flags = try message.byte()
    isShared = version > 1 && flags & 3 != 0
    let lengths = try (0..<3).map { _ in try message.short() }
    // How the name's characters are written.
    if version == 3 { try message.skip(1) }
    func part(_ index: Int, _ name: String) throws -> HDF5Cursor {
      let part = try message.part(lengths[index], name)
      // Only the first version pads its parts; the last may reach to the message's end.
      if version == 1 {
        let padding = paddedToEight(lengths[index]) - lengths[index]
        try message.skip(min(padding, message.remaining))
      }
      return part
    }
    var text = try part(0, "an attribute's name")
    name = Array(try text.text())
    type = try part(1, "an attribute's type")
    space = try part(2, "an attribute's shape")
    data = message
  }

  /// The strings; none for an empty attribute of any type.
  /// - Throws: `HDF5Problem` where it holds something else.
  func strings(_ file: HDF5File) throws -> [String] {
    guard !isShared else { throw HDF5Problem.refused("an attribute of a committed type") }
    let count = try HDF5Dataspace(space).count
    if count == 0 { return [] }
    var data = data
    switch try HDF5Datatype(type) {
    case .fixedString(let length, let hasSpaces):
      guard length > 0, let bytes = [length, count].product(), bytes <= data.remaining else {
        throw HDF5Problem.damaged("its strings end early")
      }
      try file.willRead(text: bytes)
      return try (0..<count).map { _ in
        var field = try data.take(length).prefix { $0 != 0 }
        while hasSpaces, field.last == UInt8(ascii: " ") { field.removeLast() }
        return String(decoding: field, as: UTF8.self)
      }
    case .variableString:
      guard count <= data.remaining / 16 else {
        throw HDF5Problem.damaged("its strings end early")
      }
      return try (0..<count).map { _ in
        let field = try variable(&data, file)
        try file.willRead(text: field.count)
        return String(decoding: field.prefix { $0 != 0 }, as: UTF8.self)
      }
    case .number: throw HDF5Problem(what: "holds no strings, but numbers")
    case .other(let name): throw HDF5Problem(what: "holds no strings, but \(name)")
    }
  }

  /// One string out of the global heap.
  private func variable(
    _ data: inout HDF5Cursor, _ file: HDF5File
  ) throws -> ArraySlice<UInt8> {
    let length = try data.word()
    let address = try data.address()
    let index = try data.word()
    guard length > 0, let address, address > 0 else { return [] }
    guard let field = try file.heap(at: address)[index], length <= field.count else {
      throw HDF5Problem.damaged("a string is not where it should be")
    }
    return field.prefix(length)
  }
}
