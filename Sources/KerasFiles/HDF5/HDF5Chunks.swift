/// A data set that is stored in chunks, each a box of the same shape, found through a B-tree.
struct HDF5Chunks {
  private let shape: [Int]
  private let number: HDF5Number
  private let filters: HDF5Filters
  /// The dimensions of a chunk.
  private let box: [Int]
  /// The bytes of a chunk.
  private let length: Int
  /// How many chunks cover each dimension.
  private let grid: [Int]
  /// Nil where no chunk was ever written.
  private let tree: Int?

  /// Reads the rest of a layout message of version 3.
  /// - Throws: `HDF5Problem` where it is damaged.
  init(
    _ message: HDF5Cursor, shape: [Int], number: HDF5Number, filters: HDF5Filters
  ) throws {
    var message = message
    let rank = try message.byte()
    tree = try message.address()
    let sizes = try (0..<rank).map { _ in try message.word() }
    guard rank == shape.count + 1, rank > 1, sizes.last == number.size, !sizes.contains(0),
      let length = sizes.product()
    else { throw HDF5Problem.damaged("its chunks have another shape") }
    (self.shape, self.number, self.filters) = (shape, number, filters)
    (box, self.length) = (sizes.dropLast(), length)
    grid = zip(shape, box).map { ($0 + $1 - 1) / $1 }
  }

  /// Fills `floats`, which has room for exactly the shape.
  /// - Throws: `HDF5Problem` where a chunk is damaged or missing.
  func read(_ file: HDF5File, into floats: UnsafeMutableBufferPointer<Float>) throws {
    guard let tree else { throw HDF5Problem(what: "holds no numbers: they were never written") }
    var seen: Set<[Int]> = []
    try HDF5Tree.forEachLeaf(file, at: tree, .chunks(rank: box.count + 1)) { leaf in
      var key = leaf.key
      let (stored, skipped) = (try key.word(), try key.word())
      let start = try box.map { _ in try key.length() }
      let cell = zip(start, box).map { $0 / $1 }
      guard zip(start, box).allSatisfy({ $0 % $1 == 0 }), zip(cell, grid).allSatisfy(<),
        seen.insert(cell).inserted
      else { throw HDF5Problem.damaged("a chunk is where none can be") }
      try file.willInflate(length)
      // What cannot be made smaller becomes a little larger.
      guard stored <= 2 * length + 64 else { throw HDF5Problem.damaged("a chunk is too long") }
      let bytes = try filters.undo(
        try file.numbers(at: leaf.child, count: stored), skipped: skipped, count: length,
        size: number.size)
      place(bytes, at: start, into: floats)
    }
    guard seen.count == grid.product() else {
      throw HDF5Problem(what: "lacks numbers: some were never written")
    }
  }

  /// Copies a chunk, row by row, without what of it is outside the shape.
  private func place(
    _ bytes: [UInt8], at start: [Int], into floats: UnsafeMutableBufferPointer<Float>
  ) {
    let last = box.count - 1
    let width = min(box[last], shape[last] - start[last])
    let inside = zip(zip(box, shape), start).map { min($0.0, $0.1 - $1) }
    var row = [Int](repeating: 0, count: last)
    while true {
      var (from, to) = (0, 0)
      for axis in 0...last {
        let index = axis == last ? 0 : row[axis]
        from = from * box[axis] + index
        to = to * shape[axis] + start[axis] + index
      }
      number.convert(bytes, from: from * number.size, width, into: floats, at: to)
      // The next row: the last axis but one is counted up first.
      guard let axis = row.indices.last(where: { row[$0] + 1 < inside[$0] }) else { return }
      row[axis] += 1
      for after in row.indices where after > axis { row[after] = 0 }
    }
  }
}
