/// The dimensions of a data set or an attribute.
struct HDF5Dataspace {
  /// Empty for a single value; nil where there is none at all.
  let shape: [Int]?
  /// How many values that are.
  let count: Int

  /// Reads a dataspace message.
  /// - Throws: `HDF5Problem` where it is damaged, or more than memory holds.
  init(_ message: HDF5Cursor) throws {
    var message = message
    let version = try message.byte()
    let rank = try message.byte()
    _ = try message.byte()
    switch version {
    case 1: try message.skip(5)
    case 2:
      if try message.byte() == 2 {
        (shape, count) = (nil, 0)
        return
      }
    default: throw HDF5Problem.refused("a shape of version \(version)")
    }
    guard rank <= 32 else { throw HDF5Problem.damaged("its shape has \(rank) dimensions") }
    let dimensions = try (0..<rank).map { _ in try message.length() }
    let most = Int(Int32.max)
    guard let count = dimensions.product(), count <= most, dimensions.allSatisfy({ $0 <= most })
    else {
      throw HDF5Problem(what: "is no array that fits in memory")
    }
    (shape, self.count) = (dimensions, count)
  }
}
