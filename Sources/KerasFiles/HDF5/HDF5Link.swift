// The links of a group: of old groups from a B-tree, its leaves and a heap of names; of new ones
// from the header's messages.

/// Where a name in a group leads.
enum HDF5Link {
  /// To the object whose header is at this place.
  case hard(Int)
  /// Elsewhere; what it is called in an error.
  case other(String)

  /// The links of `group`, by name.
  /// - Throws: `HDF5Problem`.
  static func all(of group: HDF5Object, in file: HDF5File) throws -> [[UInt8]: HDF5Link] {
    if var table = try group.body(.symbolTable) {
      return try old(file, tree: try table.place(), heap: try table.place())
    }
    if var info = try group.body(.linkInfo) {
      guard try info.byte() == 0 else { throw HDF5Problem.damaged("its links are unknown") }
      let flags = try info.byte()
      try info.skip(flags & 1 == 0 ? 0 : 8)
      guard try info.address() == nil else {
        throw HDF5Problem.refused(
          "a group with links in a heap of their own (h5py's libver=\"latest\" or track_order)")
      }
    }
    var links: [[UInt8]: HDF5Link] = [:]
    for body in try group.bodies(.link) {
      let (name, link) = try new(body)
      links[name] = link
    }
    return links
  }

  /// A link message.
  private static func new(_ message: HDF5Cursor) throws -> (name: [UInt8], link: HDF5Link) {
    var message = message
    guard try message.byte() == 1 else { throw HDF5Problem.damaged("a link is unknown") }
    let flags = try message.byte()
    let kind = flags & 0x08 == 0 ? 0 : try message.byte()
    try message.skip((flags & 0x04 == 0 ? 0 : 8) + (flags & 0x10 == 0 ? 0 : 1))
    let length: Int =
      switch flags & 3 {
      case 0: try message.byte()
      case 1: try message.short()
      case 2: try message.word()
      default: try message.length()
      }
    let name = Array(try message.take(length))
    switch kind {
    case 0: return (name, .hard(try message.place()))
    case 1: return (name, .other("a soft link"))
    case 64: return (name, .other("an external link"))
    default: return (name, .other("a link of kind \(kind)"))
    }
  }

  private static func old(
    _ file: HDF5File, tree: Int, heap: Int
  ) throws -> [[UInt8]: HDF5Link] {
    var head = try file.structure(at: heap, count: 32, "the heap of a group's names")
    try head.expect("HEAP")
    try head.skip(4)
    let length = try head.length()
    try head.skip(8)
    let names = try file.structure(at: try head.place(), count: length, head.name)
    var links: [[UInt8]: HDF5Link] = [:]
    try HDF5Tree.forEachLeaf(file, at: tree, .group) { leaf in
      var entries = try file.structure(at: leaf.child, count: 8, "the list of a group's links")
      try entries.expect("SNOD")
      try entries.skip(2)
      let count = try entries.short()
      entries = try file.structure(at: leaf.child + 8, count: 40 * count, entries.name)
      for _ in 0..<count {
        var name = names
        try name.skip(try entries.length())
        let object = try entries.address()
        let kind = try entries.word()
        try entries.skip(20)
        let link: HDF5Link
        if kind == 2 {
          link = .other("a soft link")
        } else if let object {
          link = .hard(object)
        } else {
          throw HDF5Problem.damaged("a link of a group leads nowhere")
        }
        let text = try name.text()
        try file.willRead(text: text.count)
        links[Array(text)] = link
      }
    }
    return links
  }
}
