/// Files that were read and compared with their entries, and wait to be decoded.
struct FilesAhead {
  private var files: [Int: FileBytes] = [:]
  /// The pictures' indices as their files came.
  private var order: [Int] = []
  /// Bytes of all files.
  private(set) var bytes = 0

  /// Keeps the file of the picture at `index`.
  mutating func add(_ file: FileBytes, at index: Int) {
    _ = take(index)
    files[index] = file
    order.append(index)
    bytes += file.bytes.count
  }

  /// Gives up the file of the picture at `index`; nil where it has none here.
  mutating func take(_ index: Int) -> FileBytes? {
    guard let file = files.removeValue(forKey: index) else { return nil }
    bytes -= file.bytes.count
    return file
  }

  /// Drops files until they have at most `limit` bytes. Pictures are decoded in their order, so
  /// that the file that came last would wait longest.
  mutating func shrink(to limit: Int) {
    while bytes > limit, let last = order.popLast() { _ = take(last) }
  }
}
