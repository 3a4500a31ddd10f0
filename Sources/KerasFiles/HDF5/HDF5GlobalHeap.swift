/// Reads and writes collections of the global heap, where strings of variable length are.
enum HDF5GlobalHeap {
  /// HDF5 takes no smaller one.
  private static let leastBytes = 4096

  /// Appends a collection of one object, whose index is 1.
  /// - Returns: where it is.
  static func append(_ object: some Collection<UInt8>, to image: HDF5Image) -> Int {
    let used = 32 + paddedToEight(object.count)
    let size = max(leastBytes, used)
    var heap = HDF5Bytes(Array("GCOL".utf8) + [1, 0, 0, 0])
    heap.append(size, width: 8)
    // Its index, how many refer to it, and its bytes.
    heap.append(1, width: 2)
    heap.append(1, width: 6)
    heap.append(object.count, width: 8)
    heap.append(object)
    heap.pad(to: used)
    if size - used >= 16 {
      // The rest is free.
      heap.append(0, width: 8)
      heap.append(size - used, width: 8)
    }
    heap.pad(to: size)
    return image.append(heap)
  }

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
