/// A group of a file that `HDF5.image` makes.
package final class HDF5NewGroup {
  /// Where a group is in the file: its header, its tree of links and the heap of their names.
  struct Place {
    let header: Int
    let tree: Int
    let heap: Int
  }

  /// What a link of the group leads to.
  enum Child {
    case group(Place)
    /// With the address of its header.
    case dataSet(Int)
  }

  private enum Link {
    case group(HDF5NewGroup)
    case dataSet(Int)
  }

  private let image: HDF5Image
  private let name: String
  /// By the bytes of their names: two strings that look the same may be two names.
  private var links: [[UInt8]: Link] = [:]
  private var attributes: [HDF5Bytes] = []

  init(in image: HDF5Image, name: String) { (self.image, self.name) = (image, name) }

  /// Makes the group `name`, which may be a path, in this one, or finds it.
  /// - Throws: `HDF5Error` where something else has its name.
  package func makeGroup(_ name: String) throws -> HDF5NewGroup {
    try name.split(separator: "/").reduce(self) { try $0.child(String($1)) }
  }

  private func child(_ name: String) throws -> HDF5NewGroup {
    switch links[Array(name.utf8)] {
    case .group(let group): return group
    case .dataSet: throw HDF5Error(image.path, joined(name), "is no group, but a data set")
    case nil:
      let group = HDF5NewGroup(in: image, name: joined(name))
      links[Array(name.utf8)] = .group(group)
      return group
    }
  }

  /// Writes data set `name` of `shape`, row-major, and the groups that its name walks through.
  /// - Throws: `HDF5Error` where something has its name already.
  package func write(_ name: String, shape: [Int], _ floats: UnsafeBufferPointer<Float>) throws {
    try write(name, shape: shape, .float32, UnsafeRawBufferPointer(floats))
  }

  /// Writes data set `name` of `shape`, row-major, of bytes.
  /// - Throws: `HDF5Error` where something has its name already.
  package func write(_ name: String, shape: [Int], _ bytes: UnsafeBufferPointer<UInt8>) throws {
    try write(name, shape: shape, .uint8, UnsafeRawBufferPointer(bytes))
  }

  /// Writes data set `name`, a single 32-bit float.
  /// - Throws: `HDF5Error` where something has its name already.
  package func write(_ name: String, _ value: Float) throws {
    try withUnsafeBytes(of: value) { try write(name, shape: [], .float32, $0) }
  }

  /// Writes data set `name`, a single 64-bit integer.
  /// - Throws: `HDF5Error` where something has its name already.
  package func write(_ name: String, _ value: Int) throws {
    try withUnsafeBytes(of: Int64(value)) { try write(name, shape: [], .int64, $0) }
  }

  /// Writes attribute `name`, a single string: what is too long for a header goes into the heap.
  /// - Throws: `HDF5Error` where it is longer than any that is read.
  package func write(attribute name: String, _ string: String) throws {
    if let message = HDF5Messages.attribute(name, shape: [], [string]) {
      return attributes.append(message)
    }
    guard string.utf8.count <= HDF5File.mostText else { throw tooLong(name) }
    let heap = HDF5GlobalHeap.append(Array(string.utf8), to: image)
    try add(HDF5Messages.attribute(name, inHeap: heap, count: string.utf8.count), name)
  }

  /// Writes attribute `name`, a list of strings, as Keras does: one that is too long in pieces
  /// `name0`, `name1` and so on.
  /// - Throws: `HDF5Error` where a string is longer than HDF5 allows.
  package func write(attribute name: String, _ strings: [String]) throws {
    let pieces = Self.pieces(of: strings)
    for (number, piece) in pieces.enumerated() {
      let own = pieces.count == 1 ? name : "\(name)\(number)"
      try add(HDF5Messages.attribute(own, shape: [piece.count], piece), name)
    }
  }

  /// `strings` in order, cut so that each piece fits in an attribute, whose strings all take as
  /// many bytes as its longest.
  package static func pieces(of strings: [String]) -> [[String]] {
    var pieces: [[String]] = [[]]
    var longest = 1
    for string in strings {
      longest = max(longest, string.utf8.count)
      let last = pieces.count - 1
      if !pieces[last].isEmpty,
        (pieces[last].count + 1) * longest > HDF5Messages.mostInAttribute
      {
        pieces.append([])
        longest = max(1, string.utf8.count)
      }
      pieces[pieces.count - 1].append(string)
    }
    return pieces
  }

  private func add(_ attribute: HDF5Bytes?, _ name: String) throws {
    guard let attribute else { throw tooLong(name) }
    attributes.append(attribute)
  }

  private func tooLong(_ name: String) -> HDF5Error {
    HDF5Error(image.path, joined(name), "an attribute that is too long for a model file")
  }

  private func write(
    _ name: String, shape: [Int], _ type: HDF5Messages.Number, _ values: UnsafeRawBufferPointer
  ) throws {
    let parts = name.split(separator: "/").map(String.init)
    let group = try makeGroup(parts.dropLast().joined(separator: "/"))
    let last = Array((parts.last ?? "").utf8)
    guard !last.isEmpty, group.links[last] == nil, values.count == type.bytes(of: shape)
    else { throw HDF5Error(image.path, joined(name), "is there already, or of another size") }
    let address = values.isEmpty ? nil : image.append(values)
    let header = HDF5Messages.header([
      HDF5Messages.dataspace(shape), HDF5Messages.datatype(type), HDF5Messages.noFillValue,
      HDF5Messages.contiguous(at: address, count: values.count),
    ])
    group.links[last] = .dataSet(image.append(header))
  }

  private func joined(_ name: String) -> String {
    self.name.isEmpty ? name : "\(self.name)/\(name)"
  }

  /// Writes what says where everything is.
  func finish() -> Place {
    let children = links.sorted { $0.key.lexicographicallyPrecedes($1.key) }.map { name, link in
      let child: Child =
        switch link {
        case .group(let group): .group(group.finish())
        case .dataSet(let address): .dataSet(address)
        }
      return (name: name, child: child)
    }
    let (tree, heap) = HDF5SymbolTable.append(children, to: image)
    let table = HDF5Messages.symbolTable(tree: tree, heap: heap)
    let header = image.append(HDF5Messages.header([table] + attributes))
    return Place(header: header, tree: tree, heap: heap)
  }
}
