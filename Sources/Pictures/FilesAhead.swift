/// Files that were read and compared with their entries, and wait to be decoded.
///
/// Not thread-safe: a store guards it.
package struct FilesAhead {
  /// Room for a file that is about to be read.
  package struct Room: @unchecked Sendable {
    /// As many bytes as the file has.
    package let memory: UnsafeMutableRawBufferPointer
    /// What the memory belongs to.
    let block: FileBlock
  }

  /// Bytes of a block, unless one file is larger: a sixteenth of the limit, 4 MiB at most.
  private let blockBytes: Int
  private var files: [Int: FileBytes] = [:]
  /// The pictures' indices as their files came.
  private var order: [Int] = []
  /// The block that the next file is read into.
  private var current: FileBlock?
  /// Bytes of all blocks.
  package private(set) var bytes = 0

  /// None yet, of at most `limit` bytes.
  package init(limit: Int) {
    let bytes = min(limit / 16, FileBlock.usualBytes)
    // Whole huge pages where it has any.
    blockBytes = bytes < FileBlock.hugePage ? bytes : bytes - bytes % FileBlock.hugePage
  }

  /// Room for a file of `size` bytes, in which `add` keeps it; nil where a new block would take
  /// more than `limit` bytes.
  package mutating func room(for size: Int, limit: Int) -> Room? {
    if let current, let memory = current.next(size) {
      current.files += 1
      return Room(memory: memory, block: current)
    }
    let count = max(size, blockBytes)
    guard size > 0, count <= limit, let block = FileBlock(count: count),
      let memory = block.next(size)
    else { return nil }
    block.files = 1
    bytes += block.count
    current = block
    return Room(memory: memory, block: block)
  }

  /// Keeps the file of the picture at `index`, which was read into room that was given here.
  package mutating func add(_ file: FileBytes, at index: Int) {
    _ = take(index)
    files[index] = file
    order.append(index)
  }

  /// Gives up room whose file is not kept.
  package mutating func giveUp(_ room: Room) { release(room.block) }

  /// Gives up the file of the picture at `index`; nil where it has none here.
  package mutating func take(_ index: Int) -> FileBytes? {
    guard let file = files.removeValue(forKey: index) else { return nil }
    if let block = file.block { release(block) }
    return file
  }

  /// Drops files until the blocks have at most `limit` bytes.
  ///
  /// Pictures are decoded in their order: the file that came last would wait longest.
  package mutating func shrink(to limit: Int) {
    while bytes > limit, let last = order.popLast() { _ = take(last) }
  }

  private mutating func release(_ block: FileBlock) {
    block.files -= 1
    guard block.files == 0 else { return }
    bytes -= block.count
    if current === block { current = nil }
  }
}
