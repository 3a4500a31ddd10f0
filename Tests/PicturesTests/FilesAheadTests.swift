import Pictures
import Testing

/// Memory of files that wait to be decoded.
@Suite struct FilesAheadTests {
  private static let limit = 1 << 20
  private static let fileBytes = 10_000

  private let folder: TemporaryFolder
  private var files = FilesAhead(limit: Self.limit)

  init() throws {
    folder = try TemporaryFolder()
    try folder.write("file", [UInt8](repeating: 7, count: Self.fileBytes))
  }

  /// Reads the file as that of the picture at `index`.
  /// - Returns: whether there was room.
  private mutating func add(_ index: Int) throws -> Bool {
    guard let room = files.room(for: Self.fileBytes, limit: Self.limit - files.bytes) else {
      return false
    }
    files.add(try FileBytes(path: "\(folder.path)/file", room: room), at: index)
    return true
  }

  /// Adds files until there is no more room.
  /// - Returns: how many.
  private mutating func fill() throws -> Int {
    var count = 0
    while try add(count) {
      count += 1
      #expect(files.bytes >= count * Self.fileBytes && files.bytes <= Self.limit)
    }
    return count
  }

  @Test mutating func `Files take no more than the limit, and nothing once all are taken`() throws {
    let count = try fill()
    // A block has what is left over of it.
    #expect(count * Self.fileBytes > Self.limit * 9 / 10)
    for index in 0..<count {
      let taken = files.take(index)
      let file = try #require(taken)
      #expect(file.bytes.count == Self.fileBytes && file.bytes.allSatisfy { $0 == 7 })
    }
    #expect(files.bytes == 0)
    let again = files.take(0)
    #expect(again == nil)
  }

  @Test mutating func `A block goes with the only file that it had`() throws {
    let given = files.room(for: Self.fileBytes, limit: Self.limit)
    let room = try #require(given)
    #expect(files.bytes >= Self.fileBytes)
    files.giveUp(room)
    #expect(files.bytes == 0)
  }

  @Test mutating func `A file larger than a block has one of its own`() throws {
    let given = files.room(for: Self.limit, limit: Self.limit)
    let room = try #require(given)
    #expect(room.memory.count == Self.limit && files.bytes == Self.limit)
    let another = files.room(for: 1, limit: Self.limit - files.bytes)
    #expect(another == nil)
    files.giveUp(room)
    #expect(files.bytes == 0)
  }

  @Test mutating func `Those that came last make room`() throws {
    let count = try fill()
    files.shrink(to: Self.limit / 2)
    #expect(files.bytes <= Self.limit / 2 && files.bytes > Self.limit / 4)
    let (first, last) = (files.take(0), files.take(count - 1))
    #expect(first != nil && last == nil)
    files.shrink(to: 0)
    #expect(files.bytes == 0)
    let rest = (0..<count).compactMap { files.take($0) }
    #expect(rest.isEmpty)
  }
}
