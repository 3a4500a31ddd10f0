import Foundation

/// Memory that files are read into, one after the other.
///
/// It goes back to the system as a whole, with the last of its files. Freed one by one, many small
/// files would leave holes among other allocations, and the process would keep the memory.
final class FileBlock: @unchecked Sendable {
  /// Bytes of the large pages that Linux has on x86-64.
  static let hugePage = 2 << 20
  /// The usual size: two huge pages.
  ///
  /// The system clears them three times as fast as small ones.
  static let usualBytes = 2 * hugePage

  let count: Int
  /// Files that lie here or are being read; whoever has the block guards it.
  var files = 0
  private let memory: UnsafeMutableRawPointer
  private var used = 0

  /// A block of `count` bytes, at least 1; nil where there is no memory for it.
  init?(count: Int) {
    guard let memory = mmap(nil, count, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
      memory != MAP_FAILED
    else { return nil }
    // A large page that reached into the block beside this one would outlive it.
    if count.isMultiple(of: Self.hugePage) { madvise(memory, count, MADV_HUGEPAGE) }
    (self.count, self.memory) = (count, memory)
  }

  deinit { munmap(memory, count) }

  /// The next `size` bytes; nil where there are fewer.
  func next(_ size: Int) -> UnsafeMutableRawBufferPointer? {
    guard size <= count - used else { return nil }
    defer { used += size }
    return UnsafeMutableRawBufferPointer(start: memory + used, count: size)
  }
}
