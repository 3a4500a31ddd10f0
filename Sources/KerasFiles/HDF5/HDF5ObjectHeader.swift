// What an object of HDF5 is: the messages of its header.

/// A message of an object header.
struct HDF5Message {
  /// The kinds of message that mean something to us.
  enum Kind: Int {
    case dataspace = 0x01
    case linkInfo = 0x02
    case datatype = 0x03
    case link = 0x06
    case externalFiles = 0x07
    case layout = 0x08
    case filters = 0x0B
    case attribute = 0x0C
    case continuation = 0x10
    case symbolTable = 0x11
    case attributeInfo = 0x15
  }

  let kind: Kind
  /// Whether the body only says where the message is.
  let isShared: Bool
  let body: HDF5Cursor
}

/// Reads object headers, of version 1 and 2.
enum HDF5ObjectHeader {
  /// The most pieces that a header may have.
  private static let mostBlocks = 1024
  /// The most messages that it may have; one without a body takes more memory than room in a file.
  private static let mostMessages = 1 << 16

  /// The messages of the header at `address` that mean something to us.
  /// - Throws: `HDF5Problem`.
  static func messages(of file: HDF5File, at address: Int) throws -> [HDF5Message] {
    let name = "an object header"
    var start = try file.structure(at: address, upTo: 34, name)
    let isNew = try start.part(4).isMark("OHDR")
    let (first, form) =
      try isNew
      ? newHeader(start, file, at: address) : oldHeader(file, at: address)
    var messages: [HDF5Message] = []
    var blocks = [first]
    var seen: Set = [address]
    while let block = blocks.popLast() {
      for message in try form.messages(in: block) {
        guard message.kind == .continuation else {
          messages.append(message)
          guard messages.count <= mostMessages else {
            throw HDF5Problem.damaged("\(name) has more than \(mostMessages) messages")
          }
          continue
        }
        var body = message.body
        let (place, length) = (try body.place(), try body.length())
        guard seen.insert(place).inserted, seen.count <= mostBlocks else {
          throw HDF5Problem.damaged("\(name) refers to itself")
        }
        var next = try file.structure(at: place, count: length, name)
        if isNew {
          try next.checkAndDropChecksum()
          try next.expect("OCHK")
        }
        blocks.append(next)
      }
    }
    return messages
  }

  private static func oldHeader(
    _ file: HDF5File, at address: Int
  ) throws -> (HDF5Cursor, MessageForm) {
    var start = try file.structure(at: address, count: 16, "an object header")
    guard try start.byte() == 1 else { throw HDF5Problem.damaged("\(start.name) is none") }
    // A reserved byte, the number of messages, and how many links lead here.
    try start.skip(7)
    let block = try file.structure(at: address + 16, count: try start.word(), start.name)
    return (block, MessageForm(isNew: false, hasOrder: false))
  }

  /// - Parameter start: behind the mark.
  private static func newHeader(
    _ start: HDF5Cursor, _ file: HDF5File, at address: Int
  ) throws -> (HDF5Cursor, MessageForm) {
    var cursor = start
    let version = try cursor.byte()
    guard version == 2 else { throw HDF5Problem.refused("an object header of version \(version)") }
    let flags = try cursor.byte()
    // Four times of day, and how many attributes are too many for a header.
    try cursor.skip((flags & 0x20 == 0 ? 0 : 16) + (flags & 0x10 == 0 ? 0 : 4))
    let length: Int =
      switch flags & 3 {
      case 0: try cursor.byte()
      case 1: try cursor.short()
      case 2: try cursor.word()
      default: try cursor.length()
      }
    let prefix = cursor.position
    guard length <= file.source.size else {
      throw HDF5Problem.damaged("\(start.name) reaches past the end of the file")
    }
    var block = try file.structure(at: address, count: prefix + length + 4, start.name)
    try block.checkAndDropChecksum()
    try block.skip(prefix)
    return (block, MessageForm(isNew: true, hasOrder: flags & 4 != 0))
  }

  /// How messages stand in a block.
  private struct MessageForm {
    let isNew: Bool
    let hasOrder: Bool

    private var headLength: Int { isNew ? (hasOrder ? 6 : 4) : 8 }

    func messages(in block: HDF5Cursor) throws -> [HDF5Message] {
      var block = block
      var messages: [HDF5Message] = []
      // Fewer bytes than a head are a gap.
      while block.remaining >= headLength {
        let number = isNew ? try block.byte() : try block.short()
        let length = try block.short()
        let flags = try block.byte()
        try block.skip(isNew ? (hasOrder ? 2 : 0) : 3)
        let body = try block.part(length)
        if let kind = HDF5Message.Kind(rawValue: number) {
          messages.append(HDF5Message(kind: kind, isShared: flags & 2 != 0, body: body))
        } else if flags & 0x80 != 0 {
          throw HDF5Problem.refused("an object with a message of kind \(number)")
        }
      }
      return messages
    }
  }
}

extension HDF5Cursor {
  /// Whether these are the bytes of `mark`.
  fileprivate func isMark(_ mark: String) -> Bool {
    var cursor = self
    return (try? cursor.take(remaining).elementsEqual(mark.utf8)) ?? false
  }
}
