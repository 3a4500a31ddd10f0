import KernelInterface

/// A stage whose output is not stored: whoever reads it has its rows made, one after the other, as
/// often as they are needed.
///
/// What takes fewer instructions than a memory access is cheaper to make twice than to store and
/// fetch: a normalisation with its relu.
protocol RowSource: AnyObject {
  /// Fills `target` with a row of the output: its columns, channels padded.
  func makeRow(
    _ row: Int, of picture: Int, target: Target, _ kernels: any KernelOperations.Type)
  /// Called in the backward pass once a row of the output's gradient is in its place, row after row
  /// from a picture's first to its last.
  func takeGradientRow(_ row: Int, of picture: Int, _ kernels: any KernelOperations.Type)
}

/// Some neighbouring rows of a map, which are made in their order: what one thread reads while it
/// passes over a picture, small enough for the cache.
final class RowBand {
  private let rows: Target
  private let rowFloats: Int
  private let capacity: Int
  /// The rows that it has.
  private var held = 0..<0

  /// - Parameters:
  ///   - window: the most rows that are read at once.
  ///   - rowFloats: floats of a row.
  init(window: Int, rowFloats: Int, memory: PlanMemory) {
    // The rows that stay are moved once for each two windows that pass.
    capacity = 3 * window
    self.rowFloats = rowFloats
    rows = memory.floats(capacity * rowFloats)
  }

  /// Begins at the first row of another map.
  func reset() { held = 0..<0 }

  /// Where the first of `wanted` rows lies, the others behind it.
  /// - Parameter make: fills a row that is not there yet. It finds what was there before: of rows
  ///   whose borders are never written the borders stay zero.
  func rows(_ wanted: Range<Int>, make: (_ row: Int, _ target: Target) -> Void) -> Source {
    if wanted.upperBound - held.lowerBound > capacity {
      let first = wanted.lowerBound
      let kept = max(0, held.upperBound - first)
      rows.update(
        from: rows + (first - held.lowerBound) * rowFloats, count: kept * rowFloats)
      held = first..<first + kept
    }
    while held.upperBound < wanted.upperBound {
      make(held.upperBound, rows + (held.upperBound - held.lowerBound) * rowFloats)
      held = held.lowerBound..<held.upperBound + 1
    }
    return Source(rows + (wanted.lowerBound - held.lowerBound) * rowFloats)
  }
}
