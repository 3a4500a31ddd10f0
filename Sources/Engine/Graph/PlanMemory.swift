import KernelInterface

/// The buffers of a plan: they are made here and go when this goes.
///
/// One that only counts gives out an address that nobody may touch. So it is known what a plan will
/// take before it takes it, from the very code that takes it.
package final class PlanMemory {
  /// Bytes of all buffers so far.
  private(set) var bytes = 0
  private let onlyCounts: Bool
  private var buffers: [UnsafeMutableRawPointer] = []

  init(onlyCounts: Bool = false) { self.onlyCounts = onlyCounts }

  deinit { for buffer in buffers { buffer.deallocate() } }

  /// `count` zeros on a 64-byte boundary.
  func floats(_ count: Int) -> Target { zeros(count, 0) }

  /// `count` zeros on a 64-byte boundary.
  func words(_ count: Int) -> UnsafeMutablePointer<Int32> { zeros(count, 0) }

  private func zeros<Number>(_ count: Int, _ zero: Number) -> UnsafeMutablePointer<Number> {
    let size = max(count, 16) * MemoryLayout<Number>.stride
    bytes += size
    if onlyCounts, let nowhere = UnsafeMutablePointer<Number>(bitPattern: 64) { return nowhere }
    let buffer = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 64)
    buffers.append(buffer)
    return buffer.initializeMemory(as: Number.self, repeating: zero, count: max(count, 16))
  }
}
