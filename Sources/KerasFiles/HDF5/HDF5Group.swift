/// A group of a file that is open for reading.
package struct HDF5Group {
  /// The most strings that a list may have over all its pieces.
  private static let mostStrings = 1 << 16

  private let file: HDF5File
  /// Its path in the file, for errors; empty for the root.
  private let name: String
  private let object: HDF5Object
  private let links: [[UInt8]: HDF5Link]

  /// The file, for errors.
  package var path: String { file.path }

  /// Whether so many bytes of numbers may come out of its file, by the file's size.
  package func justifies(bytes: Int) -> Bool { file.justifies(bytes: bytes) }

  /// - Throws: `HDF5Error` where the object at `address` is no group, or damaged.
  init(in file: HDF5File, name: String, at address: Int) throws {
    (self.file, self.name) = (file, name)
    (object, links) = try Self.naming(file, name) {
      let object = try file.object(at: address)
      guard object.isGroup else { throw HDF5Problem(what: "not a group") }
      return (object, try object.links(file))
    }
  }

  /// The group `name`, which may be a path, in this one.
  /// - Throws: `HDF5Error` where it is not there.
  package func group(_ name: String) throws -> HDF5Group {
    guard let address = try address(of: name) else {
      throw HDF5Error(path, self.name, "has no group \(name.oneLine)")
    }
    return try HDF5Group(in: file, name: joined(name), at: address)
  }

  /// Whether there is anything called `name` in this group (one level, no slashes).
  package func contains(_ name: String) -> Bool { links[Array(name.utf8)] != nil }

  /// What is in this group, in the order of the names.
  package var names: [String] { links.keys.map { String(decoding: $0, as: UTF8.self) }.sorted() }

  /// The dimensions of data set `name`; empty for a single number.
  /// - Throws: `HDF5Error` where it is not there or no array of numbers.
  package func shape(of name: String) throws -> [Int] {
    try withDataSet(name) { $0.shape }
  }

  /// Reads data set `name`, which must have `shape`, as 32-bit floats.
  /// - Throws: `HDF5Error` where it is not there, or is something else.
  package func read(
    _ name: String, shape: [Int], into floats: UnsafeMutableBufferPointer<Float>
  ) throws {
    try withDataSet(name) { set in
      guard set.shape == shape else {
        throw HDF5Problem(what: "has the shape \(set.shape), not \(shape)")
      }
      try set.read(into: floats)
    }
  }

  /// Data set `name` as 32-bit floats, row-major.
  /// - Throws: `HDF5Error` where it is not there or holds no numbers.
  package func floats(_ name: String) throws -> [Float] {
    try withDataSet(name) { set in
      let count = set.shape.reduce(1, *)
      return try [Float](unsafeUninitializedCapacity: count) { memory, initialized in
        try set.read(into: UnsafeMutableBufferPointer(rebasing: memory[..<count]))
        initialized = count
      }
    }
  }

  /// The single number of data set `name`, cut to an integer.
  /// - Throws: `HDF5Error` where it is not there or more than one number.
  package func integer(_ name: String) throws -> Int { try withDataSet(name) { try $0.integer() } }

  /// The strings of attribute `name`; nil where it is not there.
  ///
  /// Keras splits a list that is too long for one attribute into `name0`, `name1` and so on.
  /// - Throws: `HDF5Error` where it cannot be read.
  package func strings(_ name: String) throws -> [String]? {
    let attributes = try Self.naming(file, self.name) { try object.attributes() }
    func strings(_ name: String) throws -> [String]? {
      try attributes[Array(name.utf8)].map { attribute in
        try Self.naming(file, joined(name)) { try attribute.strings(file) }
      }
    }
    if let whole = try strings(name) { return whole }
    var pieces: [String] = []
    var count = 0
    while let piece = try strings("\(name)\(count)") {
      pieces += piece
      count += 1
      guard pieces.count <= Self.mostStrings else {
        throw HDF5Error(path, joined(name), "has more than \(Self.mostStrings) strings")
      }
    }
    return count > 0 ? pieces : nil
  }

  /// The string of attribute `name`; nil where it is not there.
  /// - Throws: `HDF5Error` where it cannot be read, or is no single string.
  package func string(_ name: String) throws -> String? {
    guard let strings = try strings(name) else { return nil }
    guard strings.count == 1 else {
      throw HDF5Error(path, joined(name), "is not one string")
    }
    return strings[0]
  }

  private func joined(_ name: String) -> String {
    self.name.isEmpty ? name : "\(self.name)/\(name)"
  }

  private func withDataSet<Result>(
    _ name: String, _ body: (HDF5DataSet) throws -> Result
  ) throws -> Result {
    guard let address = try address(of: name) else {
      throw HDF5Error(path, self.name, "has no data set \(name.oneLine)")
    }
    return try Self.naming(file, joined(name)) {
      let object = try file.object(at: address)
      guard object.isDataSet else { throw HDF5Problem(what: "not a data set") }
      return try body(try HDF5DataSet(object, in: file))
    }
  }

  /// Where `name` leads, through the groups that it walks through; nil where one is not there.
  private func address(of name: String) throws -> Int? {
    try Self.naming(file, joined(name)) {
      var links = links
      var address: Int?
      for part in name.split(separator: "/") {
        if let address { links = try file.object(at: address).links(file) }
        switch links[Array(part.utf8)] {
        case .hard(let place): address = place
        case .other(let kind): throw HDF5Problem.refused("\(kind)")
        case nil: return nil
        }
      }
      return address
    }
  }

  /// Puts the names of file and object before a problem of `body`.
  private static func naming<Result>(
    _ file: HDF5File, _ object: String, _ body: () throws -> Result
  ) throws -> Result {
    do {
      return try body()
    } catch let problem as HDF5Problem {
      throw HDF5Error(file.path, object, problem.what)
    }
  }
}
