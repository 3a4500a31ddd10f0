/// An object of a file, by its header, with what was read of it.
final class HDF5Object {
  private let messages: [HDF5Message]
  private var knownLinks: [[UInt8]: HDF5Link]?
  private var knownAttributes: [[UInt8]: HDF5Attribute]?

  init(messages: [HDF5Message]) { self.messages = messages }

  var isGroup: Bool { has(.symbolTable) || has(.linkInfo) || has(.link) }
  var isDataSet: Bool { has(.layout) || has(.externalFiles) }

  func has(_ kind: HDF5Message.Kind) -> Bool { messages.contains { $0.kind == kind } }

  /// The body of the message of a kind; nil where there is none.
  /// - Throws: `HDF5Problem` where it is elsewhere in the file.
  func body(_ kind: HDF5Message.Kind) throws -> HDF5Cursor? {
    try bodies(kind).first
  }

  /// The bodies of all messages of a kind.
  /// - Throws: `HDF5Problem` where one is elsewhere in the file.
  func bodies(_ kind: HDF5Message.Kind) throws -> [HDF5Cursor] {
    try messages.filter { $0.kind == kind }.map { message in
      guard !message.isShared else {
        throw HDF5Problem.refused(
          kind == .datatype ? "a committed type" : "a message that several objects share")
      }
      return message.body
    }
  }

  /// The links of a group, by name.
  func links(_ file: HDF5File) throws -> [[UInt8]: HDF5Link] {
    if let knownLinks { return knownLinks }
    let links = try HDF5Link.all(of: self, in: file)
    knownLinks = links
    return links
  }

  /// The attributes, by name.
  func attributes() throws -> [[UInt8]: HDF5Attribute] {
    if let knownAttributes { return knownAttributes }
    if var info = try body(.attributeInfo) {
      guard try info.byte() == 0 else { throw HDF5Problem.damaged("its attributes are unknown") }
      let flags = try info.byte()
      try info.skip(flags & 1 == 0 ? 0 : 2)
      guard try info.address() == nil else {
        throw HDF5Problem.refused("attributes in a heap of their own (h5py's libver=\"latest\")")
      }
    }
    var attributes: [[UInt8]: HDF5Attribute] = [:]
    for body in try bodies(.attribute) {
      let attribute = try HDF5Attribute(body)
      attributes[attribute.name] = attribute
    }
    knownAttributes = attributes
    return attributes
  }
}
