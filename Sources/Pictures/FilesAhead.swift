/// Files that were read and compared with their entries, and wait to be decoded.
///
/// Not thread-safe: a store guards it.
struct FilesAhead {
  /// Room for a file that is about to be read.
  struct Room: @unchecked Sendable {
    let memory: UnsafeMutableRawBufferPointer
    /// What the memory belongs to.
    let block: FileBlock
  }

  /// What a block has as a rule: a small part of what all of them may have.
  private let blockBytes: Int
  private var files: [Int: (bytes: FileBytes, block: FileBlock)] = [:]
  /// The pictures' indices as their files came.
  private var order: [Int] = []
  /// The block that the next file is read into.
  private var current: FileBlock?
  /// Bytes of all blocks.
  private(set) var bytes = 0

  /// None yet, of at most `limit` bytes.
  init(limit: Int) { blockBytes = min(limit / 16, FileBlock.usualBytes) }

  /// Room for a file of `size` bytes, in which `add` keeps it; nil where a new block would take
  /// more than `limit` bytes.
  mutating func room(for size: Int, limit: Int) -> Room? {
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

  /// Keeps the file of the picture at `index`, which was read into `room`.
  mutating func add(_ file: FileBytes, in room: Room, at index: Int) {
    _ = take(index)
    files[index] = (file, room.block)
    order.append(index)
  }

  /// Gives up room whose file is not kept.
  mutating func giveUp(_ room: Room) { release(room.block) }

  /// Gives up the file of the picture at `index`; nil where it has none here.
  mutating func take(_ index: Int) -> FileBytes? {
    guard let file = files.removeValue(forKey: index) else { return nil }
    release(file.block)
    return file.bytes
  }

  /// Drops files until the blocks have at most `limit` bytes.
  ///
  /// Pictures are decoded in their order: the file that came last would wait longest.
  mutating func shrink(to limit: Int) {
    while bytes > limit, let last = order.popLast() { _ = take(last) }
  }

  private mutating func release(_ block: FileBlock) {
    block.files -= 1
    guard block.files == 0 else { return }
    bytes -= block.count
    if current === block { current = nil }
  }
}
