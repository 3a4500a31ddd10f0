/// Reads collections of the global heap, where strings of variable length are.
enum HDF5GlobalHeap {
  /// The objects of the collection at `address`, by index.
  /// - Throws: `HDF5Problem`.
  static func objects(of file: HDF5File, at address: Int) throws -> [Int: ArraySlice<UInt8>] {
    var head = try file.structure(at: address, count: 16, "a heap of strings")
    try head.expect("GCOL")
    try head.skip(4)
    var heap = try file.structure(at: address, count: try head.length(), head.name)
    try heap.skip(16)
    var objects: [Int: ArraySlice<UInt8>] = [:]
    while heap.remaining >= 16 {
      let index = try heap.short()
      try heap.skip(6)
      let length = try heap.length()
      // What is free comes last.
      if index == 0 { break }
      objects[index] = try heap.take(length)
      try heap.skip(min(paddedToEight(length) - length, heap.remaining))
    }
    return objects
  }
}
